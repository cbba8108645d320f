//! What a function does with the messages that SQS hands it.

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{FusedFuture, join_all};
use mc_core::ports::{Consumer, Envelope, Family, Group, MAX_DELAY, Outgoing, Task, Verdict};
use mc_core::{Result, Timestamp};

use super::wire;

/// A message as SQS handed it out.
#[derive(Clone, Debug)]
pub struct Record {
    /// By which its failure is named.
    pub id: String,
    /// The body.
    pub body: String,
    /// How often it was handed out, this time included.
    pub receives: u32,
    /// By which it is taken out of the queue, and hidden in it.
    pub receipt: String,
}

impl Record {
    /// Whether somebody may have died with its one task.
    fn is_suspect(&self) -> bool {
        self.receives > 1 && wire::read(&self.body).is_ok_and(|(_, tasks)| tasks.len() == 1)
    }
}

/// What became of the records of one invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    /// The ids of the records that have to come again: the invocation's answer. All others are acknowledged by it.
    pub failed: Vec<String>,
    /// Tasks that are done.
    pub done: usize,
    /// Tasks that were sent again for later.
    pub again: usize,
    /// Tasks of envelopes that came a second time and were sent again one by one.
    pub unpacked: usize,
    /// Tasks whose consumer panicked, or whose time ran out.
    pub lost: usize,
}

/// What the work on a queue's messages needs of the queue itself.
#[async_trait]
pub trait Hands: Send + Sync {
    /// Sends tasks, packed together.
    async fn again(&self, tasks: Vec<Outgoing>) -> Result<()>;

    /// Sends tasks one by one, each a message of its own.
    async fn singly(&self, tasks: Vec<Outgoing>) -> Result<()>;

    /// Takes messages out of a family's queue, by their receipts.
    async fn acknowledge(&self, family: Family, receipts: Vec<String>) -> Result<()>;

    /// Has a message come again later than those that were handed out with it, if it comes again.
    async fn part(&self, family: Family, receipt: &str) -> Result<()>;
}

/// Works on the records of one invocation, side by side.
///
/// # Behavior
/// - A record counts as failed only when its consumer panicked, its time ran out, or its remainder could not be sent:
///   so SQS's own count of receipts counts crashes.
/// - Tasks that come again are sent as new ones, together at the end.
/// - An envelope that comes a second time is sent again as single tasks before any work.
/// - A single task that comes a second time may end the process. It is worked on alone, after everything else is done
///   and acknowledged; and if others of its sort wait for their turn, it is parted from them before, so that they come
///   again without it.
/// - After `until` no push begins. When `end` comes to pass, what is not finished is given up and fails; it has to leave
///   time enough to send the rest and to answer.
pub async fn work(
    queue: &dyn Hands,
    family: Family,
    consumer: &dyn Consumer,
    records: Vec<Record>,
    until: Option<Timestamp>,
    end: impl Future<Output = ()> + Send,
) -> Worked {
    let mut end = std::pin::pin!(end.fuse());
    let (mut suspects, others): (Vec<_>, Vec<_>) = records.into_iter().partition(Record::is_suspect);
    // Who was nearby the least often is the least likely to be the one.
    suspects.sort_by_key(|suspect| suspect.receives);
    let mut worked = Worked::default();
    let mut turn = async |records: Vec<Record>, more: bool| {
        let receipts: Vec<_> = match more {
            true => records.iter().map(|r| (r.id.clone(), r.receipt.clone())).collect(),
            false => Vec::new(),
        };
        some(queue, family, consumer, records, until, end.as_mut(), &mut worked).await;
        let done = receipts.into_iter().filter(|(id, _)| !worked.failed.contains(id));
        let done: Vec<_> = done.map(|(_, receipt)| receipt).collect();
        if !done.is_empty()
            && let Err(error) = queue.acknowledge(family, done).await
        {
            tracing::warn!(error = %error, "messages whose work is done could not be acknowledged yet");
        }
    };
    turn(others, !suspects.is_empty()).await;
    let mut waiting = suspects.len();
    for suspect in suspects {
        waiting -= 1;
        if waiting > 0
            && let Err(error) = queue.part(family, &suspect.receipt).await
        {
            tracing::warn!(error = %error, "a task that may end its process could not be parted from others");
        }
        turn(vec![suspect], waiting > 0).await;
    }
    worked
}

/// Works on some records together.
async fn some(
    queue: &dyn Hands,
    family: Family,
    consumer: &dyn Consumer,
    records: Vec<Record>,
    until: Option<Timestamp>,
    end: impl FusedFuture<Output = ()> + Send,
    worked: &mut Worked,
) {
    let ends: Vec<OnceLock<End>> = records.iter().map(|_| OnceLock::new()).collect();
    if !end.is_terminated() {
        let work = join_all(records.iter().zip(&ends).map(|(record, place)| async move {
            // The place is empty: each record has one of its own.
            let _ = place.set(one(consumer, record, until).await);
        }));
        tokio::select! {
            _ = work => {}
            () = end => tracing::warn!("the time of an invocation ran out before its work was done"),
        }
    }
    settle(queue, family, records, ends, worked).await;
}

/// How one record ended.
enum End {
    /// Verdicts, with the group of the tasks.
    Verdicts(Group, Vec<Verdict>),
    /// It came before, so its tasks go on one by one.
    Unpack(Group, Vec<Task>),
    /// The consumer panicked, with so many tasks in hand; or nobody can read it.
    Crashed(usize),
}

async fn one(consumer: &dyn Consumer, record: &Record, until: Option<Timestamp>) -> End {
    let (group, tasks) = match wire::read(&record.body) {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(error = %error, record = %record.id, "a message of the queue is left to the crash loops");
            return End::Crashed(0);
        }
    };
    if record.receives > 1 && tasks.len() > 1 {
        return End::Unpack(group, tasks);
    }
    let count = tasks.len();
    let envelope = Envelope { group: group.clone(), tasks, until };
    match AssertUnwindSafe(consumer.consume(envelope)).catch_unwind().await {
        Ok(verdicts) if verdicts.len() == count => End::Verdicts(group, verdicts),
        Ok(verdicts) => {
            tracing::error!(
                count,
                verdicts = verdicts.len(),
                "a consumer answered with a wrong number of verdicts"
            );
            End::Crashed(count)
        }
        Err(_) => {
            tracing::error!(record = %record.id, receives = record.receives, "a consumer panicked");
            End::Crashed(count)
        }
    }
}

/// Sends what comes again, and says which records failed.
async fn settle(
    queue: &dyn Hands,
    family: Family,
    records: Vec<Record>,
    ends: Vec<OnceLock<End>>,
    worked: &mut Worked,
) {
    let (mut again, mut singly) = (Vec::new(), Vec::new());
    let (mut with_again, mut with_singly) = (Vec::new(), Vec::new());
    for (record, end) in records.into_iter().zip(ends) {
        match end.into_inner() {
            Some(End::Verdicts(group, verdicts)) => {
                let all = verdicts.len();
                let before = again.len();
                again.extend(verdicts.into_iter().filter_map(|verdict| match verdict {
                    Verdict::Done => None,
                    Verdict::Again { task, after } => Some(outgoing(family, &group, task, after)),
                }));
                worked.done += all - (again.len() - before);
                if again.len() > before {
                    with_again.push(record.id);
                }
            }
            Some(End::Unpack(group, tasks)) => {
                singly.extend(tasks.into_iter().map(|task| outgoing(family, &group, task, Duration::ZERO)));
                with_singly.push(record.id);
            }
            Some(End::Crashed(tasks)) => {
                worked.lost += tasks;
                worked.failed.push(record.id);
            }
            None => {
                worked.lost += wire::read(&record.body).map_or(0, |(_, tasks)| tasks.len());
                worked.failed.push(record.id);
            }
        }
    }
    let (agains, singles) = (again.len(), singly.len());
    let (sent, unpacked) =
        tokio::join!(async { if again.is_empty() { Ok(()) } else { queue.again(again).await } }, async {
            if singly.is_empty() { Ok(()) } else { queue.singly(singly).await }
        },);
    for (result, count, total, ids) in [
        (sent, agains, &mut worked.again, with_again),
        (unpacked, singles, &mut worked.unpacked, with_singly),
    ] {
        match result {
            Ok(()) => *total += count,
            Err(error) => {
                tracing::warn!(error = %error, "tasks could not be sent again, so their messages come again");
                worked.failed.extend(ids);
            }
        }
    }
}

fn outgoing(family: Family, group: &Group, task: Task, after: Duration) -> Outgoing {
    Outgoing { family, group: group.clone(), task, delay: after.min(MAX_DELAY) }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::{Arc, Mutex};

    use mc_core::model::Priority;
    use mc_core::{Error, ErrorKind};
    use mc_testkit::queue::Recorder;

    use super::*;

    /// Keeps what is sent, or takes nothing.
    #[derive(Default)]
    struct Outbox {
        closed: bool,
        again: Mutex<Vec<Outgoing>>,
        singly: Mutex<Vec<Outgoing>>,
        /// What was acknowledged and parted, and what was worked on, in its order.
        steps: Arc<Mutex<Vec<String>>>,
    }

    #[async_trait]
    impl Hands for Outbox {
        async fn again(&self, tasks: Vec<Outgoing>) -> Result<()> {
            if self.closed {
                return Err(Error::new(ErrorKind::Unavailable, "closed"));
            }
            self.again.lock().unwrap().extend(tasks);
            Ok(())
        }

        async fn singly(&self, tasks: Vec<Outgoing>) -> Result<()> {
            self.singly.lock().unwrap().extend(tasks);
            Ok(())
        }

        async fn acknowledge(&self, _: Family, receipts: Vec<String>) -> Result<()> {
            self.steps.lock().unwrap().push(format!("acknowledge {}", receipts.join(" ")));
            Ok(())
        }

        async fn part(&self, _: Family, receipt: &str) -> Result<()> {
            self.steps.lock().unwrap().push(format!("part {receipt}"));
            Ok(())
        }
    }

    fn task(n: u32) -> Task {
        let message = "msg_01HF7YAT31000000000000001A".parse().unwrap();
        Task::Deliver { project: "p".into(), message, share: n, channel: "c".into(), slot: None }
    }

    fn record(id: &str, tasks: impl IntoIterator<Item = u32>, receives: u32) -> Record {
        let group = Group::of("p", Priority::Normal);
        let tasks: Vec<_> =
            tasks.into_iter().map(|n| outgoing(Family::Email, &group, task(n), Duration::ZERO)).collect();
        let body = wire::pack(tasks, wire::TASKS)[0].body().unwrap();
        Record { id: id.to_owned(), body, receives, receipt: format!("of-{id}") }
    }

    fn number(task: &Task) -> u32 {
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

    async fn run(queue: &Outbox, consumer: &dyn Consumer, records: Vec<Record>) -> Worked {
        work(queue, Family::Email, consumer, records, None, pending()).await
    }

    #[tokio::test]
    async fn each_verdict_counts_for_its_task() {
        let queue = Outbox::default();
        let recorder = Recorder::answering(|task| match number(task) % 2 {
            0 => Verdict::Done,
            _ => Verdict::Again { task: task.clone(), after: Duration::from_secs(7) },
        });
        let worked = run(&queue, &recorder, vec![record("a", 0..5, 1), record("b", 5..10, 1)]).await;
        assert_eq!(worked, Worked { done: 5, again: 5, ..Worked::default() });
        let mut sent: Vec<_> =
            queue.again.lock().unwrap().iter().map(|o| (number(&o.task), o.delay.as_secs())).collect();
        sent.sort_unstable();
        assert_eq!(sent, [(1, 7), (3, 7), (5, 7), (7, 7), (9, 7)]);
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_record_only() {
        let queue = Outbox::default();
        let recorder = Recorder::answering(|task| {
            assert_ne!(number(task), 3, "this panic belongs to the test");
            Verdict::Done
        });
        let records = vec![record("a", 0..3, 1), record("b", 3..6, 1), record("c", 6..9, 1)];
        let worked = run(&queue, &recorder, records).await;
        assert_eq!((worked.failed, worked.done, worked.lost), (vec!["b".to_owned()], 6, 3));
    }

    #[tokio::test]
    async fn an_envelope_that_comes_again_is_unpacked_before_any_work() {
        let queue = Outbox::default();
        let recorder = Recorder::done();
        let worked = run(&queue, &recorder, vec![record("a", 0..3, 2), record("b", [7], 4)]).await;
        assert_eq!((worked.unpacked, worked.done, worked.failed.len()), (3, 1, 0));
        assert_eq!(recorder.take(), [7]);
        assert_eq!(queue.singly.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn what_may_end_the_process_is_worked_on_alone_and_last() {
        let queue = Outbox::default();
        let steps = queue.steps.clone();
        let recorder = Recorder::answering(move |task| {
            steps.lock().unwrap().push(format!("work on {}", number(task)));
            assert_ne!(number(task), 8, "this panic belongs to the test");
            Verdict::Done
        });
        let records = vec![
            record("x", [7], 2),
            record("y", [8], 3),
            record("z", [9], 2),
            record("a", [1], 1),
            record("b", [2], 1),
        ];
        let worked = run(&queue, &recorder, records).await;
        assert_eq!((worked.done, worked.failed), (4, vec!["y".to_owned()]));
        let expected = [
            "work on 1",
            "work on 2",
            "acknowledge of-a of-b",
            "part of-x",
            "work on 7",
            "acknowledge of-x",
            "part of-z",
            "work on 9",
            "acknowledge of-z",
            "work on 8",
        ];
        assert_eq!(*queue.steps.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_early_without_need() {
        for records in [vec![record("a", [1], 1), record("b", [2], 1)], vec![record("x", [7], 2)]] {
            let queue = Outbox::default();
            run(&queue, &Recorder::done(), records).await;
            assert!(queue.steps.lock().unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_sent_again_comes_again_whole() {
        let queue = Outbox { closed: true, ..Outbox::default() };
        let recorder = Recorder::answering(|task| match number(task) {
            1 => Verdict::Again { task: task.clone(), after: Duration::ZERO },
            _ => Verdict::Done,
        });
        let worked = run(&queue, &recorder, vec![record("a", 0..2, 1), record("b", 2..4, 1)]).await;
        assert_eq!((worked.failed, worked.again), (vec!["a".to_owned()], 0));
    }

    #[tokio::test]
    async fn what_nobody_can_read_fails_without_harm() {
        let bad = Record { body: "?".into(), ..record("bad", [0], 1) };
        let worked = run(&Outbox::default(), &Recorder::done(), vec![bad, record("a", [1], 1)]).await;
        assert_eq!((worked.failed, worked.done), (vec!["bad".to_owned()], 1));
    }

    /// Never finishes the tasks of odd numbers.
    struct Stuck(Arc<Recorder>);

    #[async_trait]
    impl Consumer for Stuck {
        async fn consume(&self, envelope: Envelope) -> Vec<Verdict> {
            if number(&envelope.tasks[0]) % 2 == 1 {
                pending::<()>().await;
            }
            self.0.consume(envelope).await
        }
    }

    #[tokio::test]
    async fn when_the_time_is_over_only_the_unfinished_fail() {
        let recorder = Arc::new(Recorder::done());
        let stuck = Stuck(recorder.clone());
        let queue = Outbox::default();
        let end = async {
            while recorder.envelopes().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let records = vec![record("a", [1], 1), record("b", [2], 1)];
        let worked = work(&queue, Family::Email, &stuck, records, None, end).await;
        assert_eq!((worked.failed, worked.done, worked.lost), (vec!["a".to_owned()], 1, 1));
    }

    #[tokio::test]
    async fn the_consumer_learns_when_to_stop() {
        let recorder = Recorder::done();
        let until = Some(Timestamp::from_millis(5));
        work(&Outbox::default(), Family::Email, &recorder, vec![record("a", [1], 1)], until, pending()).await;
        assert_eq!(recorder.envelopes()[0].until, until);
        let worked = work(&Outbox::default(), Family::Email, &recorder, Vec::new(), until, ready(())).await;
        assert_eq!(worked, Worked::default());
    }
}
