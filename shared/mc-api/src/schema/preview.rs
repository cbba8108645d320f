//! Previews.

use serde_json::Value;
use utoipa::ToSchema;

use super::words::{Kind, SizeUnit};

/// What a dry run shows.
#[derive(ToSchema)]
pub struct DryRun {
    /// One per channel that would begin.
    pub previews: Vec<Preview>,
    /// One per channel that would begin.
    pub quota: Vec<QuotaUse>,
}

/// What a template becomes.
#[derive(ToSchema)]
pub struct Previews {
    /// One per channel or kind.
    pub previews: Vec<Preview>,
    /// What may be a mistake in a draft: an override for a channel that is not there.
    #[schema(required = false)]
    pub warnings: Vec<PreviewWarning>,
}

/// What a content becomes on one platform.
#[derive(ToSchema)]
pub struct Preview {
    /// The kind.
    pub kind: Kind,
    /// The channel, if it is one.
    #[schema(nullable = false)]
    pub channel: Option<String>,
    /// Exactly what would be sent; the first part of a content that is split. Null in a template's preview where the channel
    /// or kind would refuse it, and the only warning says why.
    pub payload: Value,
    /// All parts of a content that is split.
    #[schema(required = false)]
    pub parts: Vec<Value>,
    /// The content as plain text.
    pub text: String,
    /// Of a mail, the payload's HTML in a form that is safe to show on a page. Scripts, forms, frames, style sheets, classes and
    /// whatever else could act are left away; pictures of the web stay and are fetched by whoever looks. It is never sent.
    #[schema(nullable = false)]
    pub html: Option<String>,
    /// What was degraded.
    pub warnings: Vec<PreviewWarning>,
    /// How close it comes to the platform's limit.
    pub size: PreviewSize,
}

/// Something that was degraded, or may be a mistake.
#[derive(ToSchema)]
pub struct PreviewWarning {
    /// Stable, snake_case.
    pub code: String,
    /// What was done and why.
    pub detail: String,
    /// Where in the body, if it can be said.
    #[schema(nullable = false)]
    pub at: Option<String>,
}

/// How much of the platform's limit a rendering takes.
#[derive(ToSchema)]
pub struct PreviewSize {
    /// The largest part's size.
    pub used: u64,
    /// What the platform takes.
    pub allowed: u64,
    /// What both are counted in.
    pub unit: SizeUnit,
}

/// How much of a channel's quota a message would take.
#[derive(ToSchema)]
pub struct QuotaUse {
    /// The channel.
    pub channel: String,
    /// What it would take, in the unit of the channel's quota: calls, or people where the platform counts those.
    pub would_use: u64,
    /// What is left in the window that leaves the least, where the channel has a limit.
    pub remaining: Option<u64>,
}
