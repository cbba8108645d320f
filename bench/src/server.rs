//! The process under test: the real binary on a data folder of its own.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::Connection;
use crate::measure::{Usage, counter, folder_bytes};
use crate::payload;
use crate::sign::AccessKey;
use crate::stub::Stub;

/// The access key that the process is started with.
pub const ACCESS_KEY: AccessKey =
    AccessKey { id: "AKBENCH0000000000001", secret: "only-for-the-benchmark-0123456789abcdefg" };

const ADMIN_PASSWORD: &str = "only-for-the-benchmark";

/// The contract says five seconds; a benchmark does not judge, so it waits longer.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Transactions of the store; each costs one fsync.
const COMMITS: &str = "message_center_store_commits_total";

/// A running process. Dropping it kills it and removes its data.
pub struct Server {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
    ready_after: Duration,
}

impl Server {
    /// Starts the binary on an empty folder and waits until it is ready.
    pub async fn start(binary: &Path, work_dir: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = work_dir.join(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed)));
        fs::create_dir_all(&folder)
            .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        let address = free_address()?;
        let begun = Instant::now();
        let child = spawn(binary, &folder, address).map_err(|error| {
            format!("{} cannot be started: {error}; build it with `cargo build --release`", binary.display())
        })?;
        let mut server = Self { child, address, folder, ready_after: Duration::ZERO };
        server.wait_until_ready(begun).await?;
        server.ready_after = begun.elapsed();
        Ok(server)
    }

    async fn wait_until_ready(&mut self, begun: Instant) -> Result<()> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(
                    format!("the server ended at its start with {status}: {}", self.last_log()).into()
                );
            }
            if is_healthy(self.address).await {
                return Ok(());
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(
                    format!("the server is not ready after {READY_WITHIN:?}: {}", self.last_log()).into()
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Creates the channel that leads to the stub, and the template.
    pub async fn set_up(&self, stub: &Stub) -> Result<()> {
        let mut connection = self.connect().await?;
        let resources = [
            (format!("/v1/channels/{}", payload::CHANNEL), payload::channel(stub.address())),
            (format!("/v1/templates/{}", payload::TEMPLATE), payload::template()),
        ];
        for (path, resource) in resources {
            let answer = connection.call("PUT", &path, resource.to_string().as_bytes()).await?;
            answer.success(&format!("PUT {path}"))?;
        }
        Ok(())
    }

    /// A new connection to it.
    pub async fn connect(&self) -> io::Result<Connection> {
        Connection::open(self.address, ACCESS_KEY).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From its start until it answered.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// What the kernel counts of it.
    pub fn usage(&self) -> io::Result<Usage> {
        Usage::of(self.child.id())
    }

    /// The size of its data folder.
    pub fn data_bytes(&self) -> u64 {
        folder_bytes(&self.folder.join("data"))
    }

    /// How many transactions its store has committed, if it says so.
    pub async fn commits(&self) -> io::Result<Option<f64>> {
        let mut connection = self.connect().await?;
        let answer = connection.call("GET", "/metrics", b"").await?;
        let found = answer.status == 200;
        Ok(found.then(|| counter(&String::from_utf8_lossy(answer.body), COMMITS)).flatten())
    }

    /// Waits until it has stopped working: what follows a push is not seen by the stub.
    pub async fn settle(&self) -> io::Result<()> {
        let begun = Instant::now();
        let mut before = self.usage()?.cpu_ms;
        while begun.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = self.usage()?.cpu_ms;
            if now - before <= 10 {
                break;
            }
            before = now;
        }
        Ok(())
    }

    /// The end of what it wrote, for error messages.
    pub fn last_log(&self) -> String {
        let text = fs::read(log_path(&self.folder)).unwrap_or_default();
        let from = text.len().saturating_sub(2_000);
        String::from_utf8_lossy(&text[from..]).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and a folder that stays is no reason to fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(binary: &Path, folder: &Path, address: SocketAddr) -> io::Result<Child> {
    let log = File::create(log_path(folder))?;
    let mut command = Command::new(binary);
    // The figures must not depend on what the shell of whoever measures has set.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MESSAGE_CENTER_") {
            command.env_remove(name);
        }
    }
    command
        .arg("serve")
        .args(["--listen", &address.to_string()])
        .arg("--data-dir")
        .arg(folder.join("data"))
        .env("MESSAGE_CENTER_ADMIN_PASSWORD", ADMIN_PASSWORD)
        .env("MESSAGE_CENTER_ACCESS_KEY_ID", ACCESS_KEY.id)
        .env("MESSAGE_CENTER_SECRET_ACCESS_KEY", ACCESS_KEY.secret)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

/// A port that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

async fn is_healthy(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address, ACCESS_KEY).await else { return false };
    let answer = tokio::time::timeout(Duration::from_secs(1), connection.call("GET", "/healthz", b"")).await;
    matches!(answer, Ok(Ok(answer)) if answer.status == 200)
}
