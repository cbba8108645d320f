//! The queue between accepting and pushing.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::id::MessageId;
use crate::model::Priority;
use crate::time::Timestamp;

/// A platform family; each has a queue of its own, so that one platform's trouble never delays another's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// 企业微信: robots and apps.
    Wecom,
    /// 微信: official accounts and mini programs.
    Wechat,
    /// 钉钉: robots and apps.
    Dingtalk,
    /// 飞书: robots and apps.
    Feishu,
    /// SES and SMTP.
    Email,
    /// Self-built IM, Slack, and the results we tell callers.
    Webhook,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 6] =
        [Family::Wecom, Family::Wechat, Family::Dingtalk, Family::Feishu, Family::Email, Family::Webhook];

    /// The name used in queue names, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Family::Wecom => "wecom",
            Family::Wechat => "wechat",
            Family::Dingtalk => "dingtalk",
            Family::Feishu => "feishu",
            Family::Email => "email",
            Family::Webhook => "webhook",
        }
    }
}

/// Whose turn it is: tasks of one group are served in order of arrival, groups take turns.
///
/// Keyed by project and priority, so that a bulk campaign never delays a one-time password.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group(Cow<'static, str>);

impl Group {
    /// The group of a project's tasks of one priority.
    pub fn of(project: &str, priority: Priority) -> Self {
        Self(format!("{project}:{}", priority.as_str()).into())
    }

    /// The text queues use.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads back what `as_str` gave.
    pub fn from_text(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A push's place under the platform's limit, reserved ahead of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Not before this time.
    pub at: Timestamp,
    /// Through which of the channel's robots.
    pub lane: u16,
}

/// One unit of work. It names things and carries none: what it needs is read when it runs.
///
/// The tag carries a version; an old form stays readable for one release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t")]
pub enum Task {
    /// Push one share of a message.
    #[serde(rename = "deliver.1")]
    Deliver {
        /// The project.
        #[serde(rename = "p")]
        project: Arc<str>,
        /// The message.
        #[serde(rename = "m")]
        message: MessageId,
        /// Which share of it.
        #[serde(rename = "s")]
        share: u32,
        /// Through which channel, so that its pace can be kept before anything is read.
        #[serde(rename = "c")]
        channel: Arc<str>,
        /// A slot reserved for it, if it had to wait for one.
        #[serde(rename = "slot", default, skip_serializing_if = "Option::is_none")]
        slot: Option<Slot>,
    },
    /// Tell one webhook endpoint of one event.
    #[serde(rename = "notify.1")]
    Notify {
        /// The project.
        #[serde(rename = "p")]
        project: Arc<str>,
        /// The endpoint.
        #[serde(rename = "w")]
        webhook: String,
        /// The event.
        #[serde(rename = "e")]
        event: String,
    },
    /// Look whether the push of a receipt that came early is recorded by now.
    #[serde(rename = "receipt.1")]
    Receipt {
        /// The project.
        #[serde(rename = "p")]
        project: Arc<str>,
        /// The channel it came to.
        #[serde(rename = "c")]
        channel: Arc<str>,
        /// The receipt as it is kept.
        #[serde(rename = "r")]
        receipt: String,
    },
    /// Ask the platform what became of a push.
    #[serde(rename = "poll.1")]
    Poll {
        /// The project.
        #[serde(rename = "p")]
        project: Arc<str>,
        /// The channel it went through.
        #[serde(rename = "c")]
        channel: Arc<str>,
        /// The platform's id of the push.
        #[serde(rename = "i")]
        platform_id: String,
        /// How often it was asked before.
        #[serde(rename = "n")]
        turn: u32,
    },
    /// Go on taking a message back.
    #[serde(rename = "recall.1")]
    Recall {
        /// The project.
        #[serde(rename = "p")]
        project: Arc<str>,
        /// The message.
        #[serde(rename = "m")]
        message: MessageId,
        /// The share to go on with.
        #[serde(rename = "s")]
        share: u32,
    },
    /// Make the message of one run of a schedule.
    #[serde(rename = "run.1")]
    Run {
        /// The project.
        #[serde(rename = "p")]
        project: Arc<str>,
        /// The schedule.
        #[serde(rename = "n")]
        schedule: Arc<str>,
        /// The time the run is planned for.
        #[serde(rename = "at")]
        at: Timestamp,
        /// How often its condition gave no answer before.
        #[serde(rename = "k", default, skip_serializing_if = "is_zero")]
        tries: u32,
    },
    /// Ask a message's condition whether to send it.
    #[serde(rename = "ask.1")]
    Ask {
        /// The project.
        #[serde(rename = "p")]
        project: Arc<str>,
        /// The message.
        #[serde(rename = "m")]
        message: MessageId,
        /// How often there was no answer before.
        #[serde(rename = "k", default, skip_serializing_if = "is_zero")]
        tries: u32,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Task {
    /// The project it belongs to.
    pub fn project(&self) -> &Arc<str> {
        match self {
            Task::Deliver { project, .. }
            | Task::Notify { project, .. }
            | Task::Receipt { project, .. }
            | Task::Poll { project, .. }
            | Task::Recall { project, .. }
            | Task::Run { project, .. }
            | Task::Ask { project, .. } => project,
        }
    }
}

/// A task on its way into the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Which queue.
    pub family: Family,
    /// Whose turn.
    pub group: Group,
    /// The work.
    pub task: Task,
    /// Not before this long from now; at most [`MAX_DELAY`].
    pub delay: Duration,
}

/// Several tasks of one group that travel as one.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Whose tasks they are.
    pub group: Group,
    /// The tasks, at least one.
    pub tasks: Vec<Task>,
    /// When the time of whoever works on it ends, where it does: no push begins after this.
    pub until: Option<Timestamp>,
}

/// What became of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, or somebody else did it.
    Done,
    /// Send this task (the same one, or with a slot) again after a while and forget the old one.
    Again {
        /// What to send.
        task: Task,
        /// How long from now; at most [`MAX_DELAY`].
        after: Duration,
    },
}

/// How full one queue is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueDepth {
    /// Which queue.
    pub family: Family,
    /// Tasks waiting, or `None` when only the platform's own dashboard knows.
    pub waiting: Option<u64>,
    /// When the longest waiting task that is due was sent, if known.
    pub oldest: Option<Timestamp>,
    /// Envelopes that were taken too often without an answer: crash loops.
    pub crash_loops: u64,
}

/// The queue, as senders see it.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends tasks.
    ///
    /// # Behavior
    /// - Every task is delivered at least once, not before its delay.
    /// - Tasks of one group without a delay are delivered in the order sent, as far as no retry comes between.
    /// - Groups take turns: a group with many tasks waiting delays another group's task by at most one envelope per
    ///   group.
    /// - Durable when this returns; all or none for up to 10 tasks.
    async fn send(&self, tasks: Vec<Outgoing>) -> Result<()>;

    /// How full the queues are.
    async fn depths(&self) -> Result<Vec<QueueDepth>>;

    /// Takes envelopes out of the crash-loop queue and sends their tasks again; answers how many tasks.
    async fn redrive(&self, family: Family) -> Result<u64>;
}

/// The longest delay a queue takes; what lies further ahead goes into the due index.
pub const MAX_DELAY: Duration = Duration::from_secs(900);

/// The queue, as the work sees it.
///
/// # Behavior (of whoever drives a consumer)
/// - Calls it with the tasks of one envelope and acts on each verdict by itself: the partial outcome of an envelope
///   sends the remainder again.
/// - When the call panics or the process dies, the envelope comes again; a second time it comes as single tasks, so
///   that a poisoned task cannot take its neighbours along. After five times it goes to the crash-loop queue.
/// - Whatever came to it is acknowledged only after its verdict.
/// - After [`Envelope::until`] the consumer begins nothing; what is left is answered [`Verdict::Again`] at once.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Works on the tasks and answers one verdict each, in their order.
    async fn consume(&self, envelope: Envelope) -> Vec<Verdict>;
}
