//! A consumer that writes down what comes and answers as it is told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mc_core::ports::{Consumer, Envelope, Task, Verdict};

type Answer = Box<dyn Fn(&Task) -> Verdict + Send + Sync>;

/// Writes down each envelope before it answers, so that also what it panics about is known.
pub struct Recorder {
    envelopes: Mutex<Vec<Envelope>>,
    answer: Answer,
}

impl Recorder {
    /// Every task is done.
    pub fn done() -> Self {
        Self::answering(|_| Verdict::Done)
    }

    /// Each task is answered by `answer`, which may panic.
    pub fn answering(answer: impl Fn(&Task) -> Verdict + Send + Sync + 'static) -> Self {
        Self { envelopes: Mutex::default(), answer: Box::new(answer) }
    }

    /// The envelopes that came.
    pub fn envelopes(&self) -> Vec<Envelope> {
        self.lock().clone()
    }

    /// The shares of the tasks that came since the last call, in order.
    pub fn take(&self) -> Vec<u32> {
        self.lock().drain(..).flat_map(|envelope| envelope.tasks).map(|task| number(&task)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Envelope>> {
        self.envelopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Consumer for Recorder {
    async fn consume(&self, envelope: Envelope) -> Vec<Verdict> {
        self.lock().push(envelope.clone());
        envelope.tasks.iter().map(&self.answer).collect()
    }
}

/// The number by which the suite tells tasks apart.
pub(super) fn number(task: &Task) -> u32 {
    match task {
        Task::Deliver { share, .. } => *share,
        Task::Notify { .. }
        | Task::Receipt { .. }
        | Task::Poll { .. }
        | Task::Recall { .. }
        | Task::Run { .. }
        | Task::Ask { .. } => u32::MAX,
    }
}
