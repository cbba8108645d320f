//! How much the platforms still allow.

use mc_pipeline::quota;

use crate::answer::{Answer, Page, ok};
use crate::call::Call;
use crate::schema;

/// List the quotas of the project's channels
///
/// An item for each channel and window that has a limit or is counted. What is used is the platform's own figure with
/// what was sent since it was asked, or else what was sent through the channel.
#[utoipa::path(
    get, path = "/v1/quotas", tag = "monitoring", operation_id = "list_quotas",
    params(("channel" = Option<String>, Query, description = "Of this channel alone")),
    responses((status = 200, description = "A page of quotas", body = Page<schema::Quota>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(quota::is_cursor)?);
    let channel = call.query.get("channel");
    let (items, next_cursor) = quota::page(call.center(), call.project(), channel, limit, cursor).await?;
    ok(&Page { items, next_cursor })
}
