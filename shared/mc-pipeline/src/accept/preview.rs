//! What would be sent, by the same path that sends it.

use mc_content::dialect;
use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::Kind;
use mc_core::ports::{Family, Rendered, Size, Warning};
use serde::Serialize;
use serde_json::Value;

use super::plan::{self, merged};
use super::request::SendRequest;
use super::{Caller, Refusal};
use crate::center::Center;
use crate::quota;
use crate::suppress;

/// One channel's or kind's view of a content.
#[derive(Debug, Serialize)]
pub struct Preview {
    /// The kind.
    pub kind: Kind,
    /// The channel, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Exactly what would be sent; the first part of a split content.
    pub payload: Value,
    /// All parts, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Value>,
    /// The content as plain text.
    pub text: String,
    /// Of a mail, its HTML in a form that is safe to show. The payload has what is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// What was degraded.
    pub warnings: Vec<Warning>,
    /// How close it comes to the limit.
    pub size: Size,
}

impl Preview {
    /// The preview of a rendering.
    pub fn of(kind: Kind, channel: Option<String>, rendered: Rendered) -> Self {
        let Rendered { parts, text, warnings, size } = rendered;
        let mut payloads: Vec<Value> = parts.into_iter().map(|p| p.payload).collect();
        let payload = payloads.first().cloned().unwrap_or(Value::Null);
        if payloads.len() < 2 {
            payloads.clear();
        }
        let is_mail = kind.family() == Family::Email;
        let html = payload["html"].as_str().filter(|_| is_mail).map(dialect::safe_html);
        Self { kind, channel, payload, parts: payloads, text, html, warnings, size }
    }
}

/// How much of a channel's quota a message would take.
#[derive(Debug, Serialize)]
pub struct QuotaUse {
    /// The channel.
    pub channel: String,
    /// What it would take, in the unit of the channel's quota: calls, or people where the platform counts those.
    pub would_use: usize,
    /// What is left in the window that leaves the least, where the channel has a limit.
    pub remaining: Option<u64>,
}

/// The answer to a dry run.
#[derive(Debug, Serialize)]
pub struct DryRun {
    /// One per channel that would begin.
    pub previews: Vec<Preview>,
    /// One per channel that would begin.
    pub quota: Vec<QuotaUse>,
}

/// Does everything that accepting does, except to accept.
pub async fn dry_run(center: &Center, caller: &Caller, request: SendRequest) -> Result<DryRun, Refusal> {
    let now: Timestamp = center.clock.now();
    let id = MessageId::new(center.ids.ulid(now));
    let plan = plan::plan(center, caller, request, id, now).await?;
    let (mut previews, mut quota) = (Vec::new(), Vec::new());
    for (index, part) in plan.beginning() {
        let first = part.recipients.first();
        let own = first.filter(|_| !part.broadcast).and_then(|r| r.data.as_ref());
        let data = own.map(|own| merged(&plan.request.data, own));
        let to = if part.broadcast { &part.recipients[..] } else { part.recipients.get(..1).unwrap_or(&[]) };
        let mut rendered = plan.render(caller, id, index, to, data.as_ref().unwrap_or(&plan.request.data))?;
        let (kind, priority) = (part.channel.doc.kind, plan.request.priority);
        suppress::offer(center, &caller.project, kind, priority, to, &mut rendered);
        let would_use = rendered.parts.len() * quota::units(&part.channel, part.pushes());
        previews.push(Preview::of(part.channel.doc.kind, Some(part.channel.name.to_string()), rendered));
        quota.push(QuotaUse {
            channel: part.channel.name.to_string(),
            would_use,
            remaining: quota::remaining(center, &caller.project, &part.channel).await?,
        });
    }
    Ok(DryRun { previews, quota })
}
