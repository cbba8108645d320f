//! An envelope in somebody's hands.

use std::fmt;
use std::sync::Arc;

use mc_core::ports::{Envelope, Family, MAX_DELAY, Verdict};
use mc_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::lines::Found;
use super::suspicion::Suspicion;
use crate::open::Shared;
use crate::row::{RowKey, Waiting};
use crate::writer::{Reply, Request, Settle, Then};

/// An envelope that was taken out of the line, and the duty to say what became of it.
///
/// Dropped without [`finish`](Self::finish) it counts as a crash and comes again; after the fifth time it goes to the
/// crash loops.
pub struct Taken {
    shared: Arc<Shared>,
    family: Family,
    envelope: Envelope,
    /// The row without its tasks, which are in the envelope; `None` when the envelope is no longer ours.
    row: Option<Waiting>,
    /// Tells when the receipt is on the disk, if that has to be waited for.
    noted: Option<oneshot::Receiver<Result<()>>>,
    /// Set when it may be what ended earlier processes.
    suspicion: Option<Suspicion>,
    /// Held while a suspect is worked on.
    turn: Option<OwnedSemaphorePermit>,
    /// Whether anybody may have worked on it.
    begun: bool,
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}

impl Taken {
    pub(super) fn new(shared: Arc<Shared>, family: Family, found: Found) -> Self {
        let Found { group, mut waiting } = found;
        let tasks = std::mem::take(&mut waiting.tasks);
        Self {
            shared,
            family,
            envelope: Envelope { group, tasks, until: None },
            row: Some(waiting),
            noted: None,
            suspicion: None,
            turn: None,
            begun: false,
        }
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The family it belongs to.
    pub fn family(&self) -> Family {
        self.family
    }

    /// How often it has been taken, this time included.
    pub fn receives(&self) -> u32 {
        self.row.as_ref().and_then(|row| u32::try_from(row.receives).ok()).unwrap_or(0)
    }

    /// Notes on the disk that it was taken once more. Only an envelope that may have ended an earlier process has to
    /// wait for that note, so that it cannot end every process without being counted.
    pub(super) fn note(&mut self, wait: bool) {
        let Some((key, receives)) = self.mark() else { return };
        let (reply, noted) = wait.then(oneshot::channel).unzip();
        self.noted = noted;
        self.shared.writer.tell(Request::Mark { key, receives, reply });
    }

    /// Makes it a suspect: its receipt is noted only when its turn among the suspects has come, so that waiting in a
    /// process that ends is not held against it.
    pub(super) fn suspect(&mut self, suspicion: Suspicion) {
        self.suspicion = Some(suspicion);
    }

    /// Whether it is a suspect, which takes no place among the others.
    pub(super) fn is_suspect(&self) -> bool {
        self.suspicion.is_some()
    }

    /// Comes to pass when the note is on the disk, if this envelope has to wait for that; a suspect waits for its turn
    /// first, and keeps it as long as what this answers.
    pub(super) fn noted(&mut self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<> {
        let turn = self.suspicion.map(|suspicion| (suspicion, Arc::clone(&self.shared), self.mark()));
        let noted = self.noted.take();
        async move {
            let (turn, noted) = match turn {
                None => (None, noted),
                Some((Suspicion { rest, share }, shared, mark)) => {
                    tokio::time::sleep_until(shared.opened + rest).await;
                    let turn = Arc::clone(&shared.suspects).acquire_many_owned(share).await.ok();
                    let (reply, noted) = oneshot::channel();
                    if let Some((key, receives)) = mark {
                        tracing::info!(group = %key.group, receives, "work that earlier processes died with goes on");
                        shared.writer.tell(Request::Mark { key, receives, reply: Some(reply) });
                    }
                    (turn, Some(noted))
                }
            };
            if let Some(noted) = noted
                // Without room for the note the work goes on: at worst a crash is not counted.
                && let Ok(Err(error)) = noted.await
            {
                tracing::warn!(error = %error, "the receipt of an envelope could not be noted");
            }
            turn
        }
    }

    /// Keeps a suspect's turn until it is settled or dropped.
    pub(super) fn keep_turn(&mut self, turn: Option<OwnedSemaphorePermit>) {
        self.turn = turn;
    }

    /// Counts one more receipt in memory, and says what is to be noted of it.
    fn mark(&mut self) -> Option<(RowKey, i64)> {
        let key = self.key()?;
        let row = self.row.as_mut()?;
        row.receives += 1;
        Some((key, row.receives))
    }

    /// From here on somebody may work on it, so that being dropped counts.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// Says what became of each task, in their order: what is done goes, the rest is sent again.
    ///
    /// The write joins the next group commit and is made again until it succeeds; a crash before it means that the
    /// tasks come once more. Verdicts in a wrong number count as a crash.
    pub fn finish(self, verdicts: Vec<Verdict>) {
        self.settle(verdicts, None);
    }

    /// Like [`finish`](Self::finish), and waits until it is durable. After an error the write is still made later.
    pub async fn finish_durably(self, verdicts: Vec<Verdict>) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.settle(verdicts, Some(reply));
        answer.await.map_err(|_| {
            Error::new(ErrorKind::Unavailable, "it is not known that the envelope was settled")
        })?
    }

    /// Puts it back into line as if it had never been taken.
    pub fn hand_back(mut self) {
        self.begun = false;
    }

    fn settle(mut self, verdicts: Vec<Verdict>, reply: Option<Reply<Result<()>>>) {
        if verdicts.len() != self.envelope.tasks.len() {
            tracing::error!(
                tasks = self.envelope.tasks.len(),
                verdicts = verdicts.len(),
                "a consumer answered with a wrong number of verdicts"
            );
            return;
        }
        let Some(key) = self.key() else { return };
        self.row = None;
        let now = self.shared.lines.now();
        let again = verdicts.into_iter().filter_map(|verdict| match verdict {
            Verdict::Done => None,
            Verdict::Again { task, after } => {
                let wait = i64::try_from(after.min(MAX_DELAY).as_millis()).unwrap_or(i64::MAX);
                Some((task, now.saturating_add(wait)))
            }
        });
        let settle = Settle { key, then: Then::Again(again.collect()) };
        self.shared.writer.tell(Request::Settle { settle, reply });
    }

    fn key(&self) -> Option<RowKey> {
        let row = self.row.as_ref()?;
        Some(RowKey { family: self.family, group: self.envelope.group.clone(), place: row.place })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(mut row) = self.row.take() else { return };
        if !self.begun {
            row.receives -= 1;
        }
        row.tasks = std::mem::take(&mut self.envelope.tasks);
        self.shared.lines.put_back(self.family, &self.envelope.group, row);
    }
}
