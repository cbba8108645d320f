//! Mail addresses that are not written to.

use http::StatusCode;
use mc_pipeline::suppress::{Reason, Suppression};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;

/// An address on the list, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct SuppressionView {
    /// The address.
    address: String,
    /// Why: `bounced`, `complained`, `unsubscribed` or `manual`.
    #[schema(value_type = String)]
    reason: Reason,
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    at: mc_core::Timestamp,
}

fn view(address: String, suppression: Suppression) -> SuppressionView {
    let Suppression { reason, text, at } = suppression;
    SuppressionView { address, reason, text, at }
}

/// List suppressed addresses
///
/// Nothing is sent by mail to an address on the list, but that urgent messages (`priority: high`) still reach those who
/// unsubscribed themselves.
#[utoipa::path(
    get, path = "/v1/suppressions", tag = "suppressions", operation_id = "list_suppressions",
    responses((status = 200, description = "A page of the list", body = Page<SuppressionView>))
)]
pub async fn list(call: Call) -> Answer {
    let suppressions = &call.center().suppressions;
    if let Some(address) = call.query.get("address") {
        let found = suppressions.get(call.project(), address).await?;
        let items = found.into_iter().map(|s| view(address.trim().to_lowercase(), s)).collect();
        return ok(&Page::<SuppressionView> { items, next_cursor: None });
    }
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let page = suppressions.list(call.project(), limit, cursor).await?;
    let items = page.items.into_iter().map(|(address, s)| view(address, s)).collect();
    ok(&Page::<SuppressionView> { items, next_cursor: page.next_cursor })
}

/// An address to put on the list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSuppression {
    /// The address.
    address: String,
    /// A note on why.
    #[serde(default)]
    text: String,
}

/// Put an address on the list
#[utoipa::path(
    post, path = "/v1/suppressions", tag = "suppressions", operation_id = "add_suppression",
    request_body = NewSuppression,
    responses((status = 201, description = "It is on the list", body = SuppressionView))
)]
pub async fn add(call: Call) -> Answer {
    let NewSuppression { address, text } = call.read()?;
    if !is_address(&address) {
        return Err(ApiError::field("invalid_address", "/address", "an address is like a@example.com"));
    }
    if text.len() > 500 {
        return Err(ApiError::field("invalid_request", "/text", "a note is at most 500 bytes"));
    }
    let suppression = Suppression { reason: Reason::Manual, text, at: call.center().clock.now() };
    call.center().suppressions.put(call.project(), &address, &suppression).await?;
    call.audit("suppression.add", json!({"address": address})).await;
    Ok(answer::json(StatusCode::CREATED, &view(address.trim().to_lowercase(), suppression)))
}

/// Take an address off the list
#[utoipa::path(
    delete, path = "/v1/suppressions", tag = "suppressions", operation_id = "remove_suppression",
    responses((status = 204, description = "It is off the list"))
)]
pub async fn remove(call: Call) -> Answer {
    let Some(address) = call.query.get("address") else {
        return Err(ApiError::field(
            "invalid_parameter",
            "/address",
            "name the address: ?address=a%40example.com",
        ));
    };
    if !call.center().suppressions.delete(call.project(), address).await? {
        return Err(ApiError::not_found("suppression"));
    }
    call.audit("suppression.remove", json!({"address": address})).await;
    no_content()
}

/// Whether something looks like a mail address; whether it exists, nobody can say.
fn is_address(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 320
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
        && text.rsplit_once('@').is_some_and(|(user, domain)| !user.is_empty() && domain.len() > 1)
}
