//! The real binary as a process: found, started, watched and ended.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait::look;

/// Where the binary is: `MESSAGE_CENTER_BIN`, or beside the folder of the test that is running.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MESSAGE_CENTER_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    profile.join(format!("message-center{}", std::env::consts::EXE_SUFFIX))
}

/// How a process is started.
#[derive(Clone, Default)]
pub(crate) struct Start {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) log: PathBuf,
}

/// A process that is killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts the binary. What it writes is added to the log.
    pub(crate) fn start(start: &Start) -> Self {
        let binary = binary();
        let log = open_log(&start.log);
        let mut command = Command::new(&binary);
        // The tests must not depend on what the shell of whoever runs them has set.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MESSAGE_CENTER_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(&start.args)
            .envs(start.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn();
        Self(child.unwrap_or_else(|error| {
            panic!(
                "{} cannot be started: {error}; build it with `cargo build --bin message-center`, or name it in \
                 MESSAGE_CENTER_BIN",
                binary.display()
            )
        }))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the state of a child process")
    }

    /// Ends it without a warning, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.0.id())).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGTERM could not be sent");
    }

    /// Waits until it has ended.
    pub(crate) async fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        look(bound, async || self.ended()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn open_log(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("the log of the process")
}

/// Everything that was logged so far.
pub(crate) fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// An address on this machine whose port was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the address of a listener")
}
