//! What the rules need from the world, one small trait each.
//!
//! Every method says its edge cases under `# Behavior`; the suites in `mc-testkit` hold each implementation to them.

mod ambient;
mod blobs;
mod callback;
mod channel;
mod http;
mod lookup;
mod mail;
mod platform_templates;
mod queue;
mod quota;
mod store;
mod tokens;

pub use ambient::{Clock, Ids, Random};
pub use blobs::Blobs;
pub use callback::{CallbackAnswer, CallbackError, CallbackRequest, Callbacks, News, Polled, Polls, Recalls};
pub use channel::{
    Attachment, Batching, Capability, Channel, CheckStep, FileInfo, Part, Push, RateLimit, Receipt,
    RecipientFailure, RenderContext, RenderError, Rendered, SendError, SendFailure, SharedChannel, Size,
    SizeUnit, Warning,
};
pub use http::{Http, HttpError, HttpErrorKind, HttpRequest, HttpResponse, Route};
pub use lookup::Lookups;
pub use mail::{MailAccount, MailError, MailService, RawMail};
pub use platform_templates::{Keyword, PlatformTemplate, PlatformTemplates};
pub use queue::{
    Consumer, Envelope, Family, Group, MAX_DELAY, Outgoing, Queue, QueueDepth, Slot, Task, Verdict,
};
pub use quota::{DAY, Figure, Period, Quota, QuotaSource, QuotaUnit, Turn, Window};
pub use store::{Attr, Attrs, Change, Commit, Cond, Conflict, Item, Key, Op, Page, Query, Store, WriteError};
pub use tokens::{Fetch, Fetching, Token, Tokens};
