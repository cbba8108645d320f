//! A running Message Center.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::client::{Auth, Client};
use crate::folder::TempFolder;
use crate::process::{Process, Start, free_address, read_log};
use crate::sign::AccessKey;
use crate::wait::look;

/// The password of the operator `admin`.
pub const ADMIN_PASSWORD: &str = "only-for-the-tests-of-the-whole";

const ACCESS_KEY_ID: &str = "AKTESTS0000000000001";
const SECRET_ACCESS_KEY: &str = "only-for-tests-0123456789-abcdefghijklmn";

/// The contract says five seconds, for a machine that has nothing else to do.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The contract says ten seconds.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

/// Ports that somebody else took between our look and the start of the process.
const TRIES: usize = 3;

/// A running Message Center with a data folder of its own. Dropping it kills it and removes the folder.
///
/// When a test panics, the end of the log is printed.
pub struct TestApp {
    process: Process,
    address: SocketAddr,
    extra: Extra,
    folder: TempFolder,
    client: Client,
}

/// What a test wants besides the defaults.
#[derive(Clone, Default)]
struct Extra {
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// How a Message Center is to be started.
#[derive(Default)]
pub struct Builder {
    extra: Extra,
}

impl Builder {
    /// With the sandbox platforms.
    #[must_use]
    pub fn sandbox(self) -> Self {
        self.arg("--sandbox")
    }

    /// With one more argument of `serve`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.extra.args.push(arg.into());
        self
    }

    /// With one more variable in its environment. All that the caller's environment says of Message Center is taken
    /// out first.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.env.push((name.into(), value.into()));
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> TestApp {
        let folder = TempFolder::new();
        for _ in 1..TRIES {
            let address = free_address();
            if let Ok(process) = launch(&folder, address, &self.extra).await {
                return TestApp::new(process, address, self.extra, folder);
            }
        }
        let address = free_address();
        match launch(&folder, address, &self.extra).await {
            Ok(process) => TestApp::new(process, address, self.extra, folder),
            Err(failure) => panic!("{failure}; its log ends:\n{}", tail(&read_log(&log_path(&folder)))),
        }
    }
}

impl TestApp {
    /// Starts one as users do, without the sandbox, and waits until it is ready.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts one with something of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn new(process: Process, address: SocketAddr, extra: Extra, folder: TempFolder) -> Self {
        let client = Client::new(format!("http://{address}"), Auth::Signed(Self::access_key()));
        Self { process, address, extra, folder, client }
    }

    /// The access key of the role `admin` in the project `default`, fixed at the first start.
    pub fn access_key() -> AccessKey {
        AccessKey { id: ACCESS_KEY_ID.to_owned(), secret: SECRET_ACCESS_KEY.to_owned() }
    }

    /// A client that signs with that key.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A client with other credentials.
    pub fn client_with(&self, auth: Auth) -> Client {
        self.client.with(auth)
    }

    /// `http://127.0.0.1:PORT`. It stays the same over restarts.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its state. It is there before the first start and after the last.
    pub fn data_dir(&self) -> PathBuf {
        data_dir(&self.folder)
    }

    /// Everything it has written to its output since the first start, restarts included.
    pub fn logs(&self) -> String {
        read_log(&log_path(&self.folder))
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// Kills it as a power failure would. It is gone when this returns.
    pub fn kill9(&mut self) {
        self.process.kill();
    }

    /// Asks it to end and waits until it has: how it ended, and how long it took. Panics if it does not end.
    pub async fn sigterm(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        self.process.terminate();
        match self.process.wait(ENDED_WITHIN).await {
            Some(status) => (status, begun.elapsed()),
            None => panic!("the process has not ended {ENDED_WITHIN:?} after SIGTERM"),
        }
    }

    /// Starts it again on the same data and address, and waits until it is ready. Ends it first if it is running.
    pub async fn restart(&mut self) {
        if self.is_running() {
            self.sigterm().await;
        }
        self.process = match launch(&self.folder, self.address, &self.extra).await {
            Ok(process) => process,
            Err(failure) => panic!("{failure}"),
        };
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of the process ends:\n{}", tail(&self.logs()));
        }
    }
}

/// Starts the binary and waits until `/healthz` answers 200; answers what happened instead.
async fn launch(folder: &TempFolder, address: SocketAddr, extra: &Extra) -> Result<Process, String> {
    let mut process = Process::start(&start(folder, address, extra));
    let health = Client::new(format!("http://{address}"), Auth::None);
    let state = look(READY_WITHIN, async || {
        if let Some(status) = process.ended() {
            return Some(Err(format!("the process ended at its start with {status}")));
        }
        health.is_healthy().await.then_some(Ok(()))
    });
    match state.await {
        Some(Ok(())) => Ok(process),
        Some(Err(failure)) => Err(failure),
        None => Err(format!("the process is not ready after {READY_WITHIN:?}")),
    }
}

fn start(folder: &TempFolder, address: SocketAddr, extra: &Extra) -> Start {
    let mut args = vec!["serve".to_owned(), "--listen".to_owned(), address.to_string()];
    args.extend(["--data-dir".to_owned(), data_dir(folder).display().to_string()]);
    args.extend(extra.args.iter().cloned());
    let fixed = [
        ("MESSAGE_CENTER_ADMIN_PASSWORD", ADMIN_PASSWORD),
        ("MESSAGE_CENTER_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("MESSAGE_CENTER_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    ];
    let mut env: Vec<_> = fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    env.extend(extra.env.iter().cloned());
    Start { args, env, log: log_path(folder) }
}

fn data_dir(folder: &TempFolder) -> PathBuf {
    folder.path().join("data")
}

fn log_path(folder: &TempFolder) -> PathBuf {
    Path::join(folder.path(), "output.log")
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
