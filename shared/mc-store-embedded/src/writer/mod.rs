//! The one thread that writes.
//!
//! It takes everything that waits, makes it in one transaction, commits with one `fsync`, then answers. While one
//! commit syncs, the next group gathers by itself. A lone writer is never delayed; where several write at the same
//! time, a small group gathers for half a millisecond more, which a sync costs many times over in processor time.

mod apply;
mod group;
mod sweep;
mod tasks;
mod thread;

use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use mc_core::ports::{Commit, Family, Group, Item, Task, WriteError};
use mc_core::{Error, ErrorKind, Result, Timestamp};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::checkpoint::Checkpointer;
use crate::fault::{closed, lock};
use crate::folder::Ownership;
use crate::queue::lines::Lines;
use crate::row::RowKey;
use crate::stats::Counters;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the writer can be asked for.
pub(crate) enum Request {
    /// A commit of the store; with tasks only, a send.
    Commit { commit: Commit, reply: Reply<Result<Option<Item>, WriteError>> },
    /// An envelope leaves its place in the queue.
    Settle { settle: Settle, reply: Option<Reply<Result<()>>> },
    /// An envelope was taken for the `receives`th time.
    Mark { key: RowKey, receives: i64, reply: Option<Reply<Result<()>>> },
    /// A group's window needs more from the disk.
    Refill { family: Family, group: Group },
    /// Expired items are removed.
    Sweep { now: Timestamp, budget: usize, reply: Reply<Result<usize>> },
    /// Some of a family's crash loops are sent again; answers how many rows and tasks.
    Redrive { family: Family, reply: Reply<Result<(usize, usize)>> },
    /// Everything before this is written, then the database is closed.
    Stop(Reply<()>),
}

/// An envelope's row goes, and something takes its place.
#[derive(Debug)]
pub(crate) struct Settle {
    pub(crate) key: RowKey,
    pub(crate) then: Then,
}

/// What takes the place of an envelope's row.
#[derive(Debug)]
pub(crate) enum Then {
    /// These tasks, each after a time; the others are done.
    Again(Vec<(Task, i64)>),
    /// Its tasks one by one, received so often already.
    Singles { tasks: Vec<Task>, sent: i64, receives: i64 },
    /// A row among the crash loops.
    CrashLoop { tasks: Vec<Task>, sent: i64, receives: i64 },
}

/// The way to the writer thread.
pub(crate) struct Writer {
    sender: Option<mpsc::Sender<Request>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        ownership: Ownership,
        checkpointer: Checkpointer,
        lines: Arc<Lines>,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("mc-writer".into())
            .spawn(move || {
                let stopped = thread::Thread::new(connection, checkpointer, lines, counters).serve(&receiver);
                // The folder is free before anybody learns that it is closed.
                drop(ownership);
                drop(receiver);
                if let Some(stopped) = stopped {
                    let _ = stopped.send(());
                }
            })
            .map_err(|error| Error::new(ErrorKind::Unavailable, "a thread cannot start").because(error))?;
        Ok(Self { sender: Some(sender), thread: Mutex::new(Some(thread)) })
    }

    /// Asks for something whose answer nobody waits for. After the end nothing happens.
    pub(crate) fn tell(&self, request: Request) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(request);
        }
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(request(reply));
        answer.await.map_err(|_| closed())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}
