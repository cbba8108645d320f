//! The shapes of requests and answers, for the OpenAPI document only.
//!
//! What travels is read and written by the types of `mc-core` and `mc-pipeline`, which know nothing of OpenAPI. These
//! mirror them; the tests hold every request and answer they make to the document.

mod alarm;
mod configuration;
mod message;
mod preview;
mod quota;
mod schedule;
mod words;

pub use alarm::{AlarmBody, Span};
pub use configuration::{
    ButtonTemplate, Channel, ChannelSecret, FactTemplate, Limits, ProjectLimits, ProjectSettings, Template,
    TemplateApproval, TemplateBody, WebhookSecretOnce,
};
pub use message::{
    Accepted, AcceptedDelivery, Address, Attachment, AttachmentInfo, Attempt, Batch, BatchResult,
    BatchResults, Button, Delivery, Fact, InlineContent, Message, RecipientStatus, Retried, Routing,
    SendRequest, TemplateRef, To, Waiting,
};
pub use preview::{DryRun, Preview, PreviewSize, PreviewWarning, Previews, QuotaUse};
pub use quota::Quota;
pub use schedule::{Condition, LastRun};
pub use words::{
    AlarmMetric, AlarmState, AskMethod, AttemptOutcome, CatchUp, EventKind, Format, Kind, Level,
    MessageStatus, Mode, OnDoubt, OnError, OperatorRole, Priority, Role, RunOutcome, SizeUnit, State,
    StatsInterval, TellingState, WaitingReason,
};
