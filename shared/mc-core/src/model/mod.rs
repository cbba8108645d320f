//! The words of the contract as types: what is stored and what travels between the parts.

mod absent;
mod access_key;
mod channel;
mod contact;
mod content;
mod message;
mod project;
mod schedule;
mod template;
mod webhook;

pub use absent::or_default;
pub use access_key::{AccessKey, Role};
pub use channel::{ChannelDoc, Kind, Limits, OnDoubt};
pub use contact::{ContactDoc, EVERY_CATEGORY, GroupDoc, QuietHours};
pub use content::{Body, Button, Content, Fact, Format, Level};
pub use message::{
    AddressKind, Addresses, AttachmentRef, Attempt, DeliveryPlan, InlineContent, MessageDoc, Mode, Outcome,
    Priority, Recipient, Routing, TemplateRef,
};
pub use project::{Operator, OperatorRole, ProjectDoc, ProjectLimits, ProjectSettings};
pub use schedule::{AskMethod, CatchUp, Condition, LastRun, OnError, RunOutcome, ScheduleDoc};
pub use template::{Approval, ApprovalState, ButtonTemplate, FactTemplate, TemplateBody, TemplateDoc};
pub use webhook::{Event, EventKind, WebhookDoc};
