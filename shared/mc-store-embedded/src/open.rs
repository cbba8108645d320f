//! Opening a data folder.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mc_core::ports::{Clock, Commit, Item, MAX_DELAY, WriteError};
use mc_core::{Error, ErrorKind, Result};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::blobs::FolderBlobs;
use crate::checkpoint::Checkpointer;
use crate::connect;
use crate::fault::of_sqlite;
use crate::folder;
use crate::queue::EmbeddedQueue;
use crate::queue::lines::Lines;
use crate::queue::suspicion::{COMPANY, REST};
use crate::readers::Readers;
use crate::stats::{Counters, Stats};
use crate::store::EmbeddedStore;
use crate::writer::{Request, Writer};

/// Where the data lives, and a few sizes.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder. It is made when it is not there.
    pub folder: PathBuf,
    /// How many connections read at the same time; about one per processor.
    pub readers: usize,
    /// To what length the database's log is written when the folder is opened, so that commits only overwrite.
    pub log_bytes: u64,
    /// For tests of a full disk: the database takes no more pages than this.
    #[doc(hidden)]
    pub max_pages: Option<u32>,
    /// How long an envelope that processes died with rests at first.
    #[doc(hidden)]
    pub rest: Duration,
}

impl Options {
    /// The usual sizes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), readers: 2, log_bytes: connect::LOG_BYTES, max_pages: None, rest: REST }
    }
}

/// What the store and the queue of one folder share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
    pub(crate) lines: Arc<Lines>,
    pub(crate) counters: Arc<Counters>,
    /// When the folder was opened.
    pub(crate) opened: Instant,
    /// How long such an envelope rests at first.
    pub(crate) rest: Duration,
    /// Places for envelopes that earlier processes died with.
    pub(crate) suspects: Arc<Semaphore>,
}

impl Shared {
    pub(crate) async fn commit(&self, commit: Commit) -> Result<Option<Item>, WriteError> {
        if commit.tasks.iter().any(|task| task.delay > MAX_DELAY) {
            let error = Error::new(ErrorKind::Internal, "a task's delay is longer than a queue takes");
            return Err(error.into());
        }
        self.writer.ask(|reply| Request::Commit { commit, reply }).await?
    }
}

/// Ends what a connection is at when it is dropped; a process that is asked to stop need not wait for it.
struct BreakOff(rusqlite::InterruptHandle);

impl Drop for BreakOff {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

/// An open data folder.
pub struct Embedded {
    shared: Arc<Shared>,
    blobs: FolderBlobs,
    folder: PathBuf,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens the folder, makes or migrates its database, and starts the writer.
    ///
    /// Blocks for some milliseconds; fails when another process has the folder open or a newer program wrote it.
    pub fn open(options: Options, clock: Arc<dyn Clock>) -> Result<Self> {
        let ownership = folder::own(&options.folder)?;
        let connection = connect::writer(&options.folder, options.max_pages, options.log_bytes)?;
        let counters = Arc::new(Counters::default());
        let checkpointer =
            Checkpointer::start(connect::checkpointer(&options.folder)?, Arc::clone(&counters))?;
        let lines = Arc::new(Lines::load(&connection, Arc::clone(&clock))?);
        let readers = (0..options.readers.max(1))
            .map(|_| connect::reader(&options.folder))
            .collect::<Result<Vec<_>>>()
            .map(Readers::new)?;
        let writer =
            Writer::start(connection, ownership, checkpointer, Arc::clone(&lines), Arc::clone(&counters))?;
        let blobs = FolderBlobs::new(options.folder.join("blobs"));
        let shared = Arc::new(Shared {
            clock,
            readers,
            writer,
            lines,
            counters,
            opened: Instant::now(),
            rest: options.rest,
            suspects: Arc::new(Semaphore::new(COMPANY as usize)),
        });
        Ok(Self { shared, blobs, folder: options.folder })
    }

    /// The store.
    pub fn store(&self) -> EmbeddedStore {
        EmbeddedStore::new(Arc::clone(&self.shared))
    }

    /// The queue, in the same database.
    pub fn queue(&self) -> EmbeddedQueue {
        EmbeddedQueue::new(Arc::clone(&self.shared))
    }

    /// The attachments, in the folder `blobs`.
    pub fn blobs(&self) -> FolderBlobs {
        self.blobs.clone()
    }

    /// What the writer did so far.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// Writes a consistent copy of the database into a new file while the work goes on.
    ///
    /// Attachments are plain files beside it, and never change once written. A copy that nobody waits for any more breaks
    /// off, and leaves an unfinished file.
    pub async fn copy_to(&self, file: impl Into<PathBuf>) -> Result<()> {
        // A copy takes long, so it has a connection of its own.
        let connection = connect::reader(&self.folder)?;
        let _break_off = BreakOff(connection.get_interrupt_handle());
        let name = file.into().to_string_lossy().into_owned();
        let copy = move || connection.execute("VACUUM INTO ?1", [name]).map_err(of_sqlite);
        tokio::task::spawn_blocking(copy)
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, "copying the database died").because(error))?
            .map(drop)
    }

    /// Makes every write that was asked for, then closes the database; what is asked later fails as unavailable.
    ///
    /// Without it nothing is lost either: what was answered is durable, and dropping the last handle closes too.
    pub async fn close(&self) -> Result<()> {
        self.shared.writer.ask(Request::Stop).await
    }
}
