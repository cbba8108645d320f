//! What became of messages, and taking them back.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};

use super::app::AppState;
use crate::answer::Refusal;
use crate::item::Platform;
use crate::request;
use crate::sandbox::Sandbox;

const DAY_MS: u64 = 86_400_000;
/// Readers are told for so long.
const READ_MS: u64 = 7 * DAY_MS;
/// The tenant's administrator sets it; a day is what it is at first.
const RECALL_MS: u64 = DAY_MS;
const BATCH_MS: u64 = 30 * DAY_MS;
const PAGE: usize = 100;

/// A call about a message, as it came.
type Asked = (State<Sandbox>, Path<String>, RawQuery, HeaderMap);

/// `GET /open-apis/im/v1/messages/{id}/read_users?user_id_type=&page_size=&page_token=`
pub(super) async fn readers(asked: Asked) -> Response {
    about(asked, "readers", AppState::readers).await
}

/// `DELETE /open-apis/im/v1/messages/{id}`
pub(super) async fn recall(asked: Asked) -> Response {
    about(asked, "recall", |state, id, _, now| state.recall(id, "om_", now)).await
}

/// `DELETE /open-apis/im/v1/batch_messages/{id}`
pub(super) async fn recall_batch(asked: Asked) -> Response {
    about(asked, "recall", |state, id, _, now| state.recall(id, "bm-", now)).await
}

/// `GET /open-apis/im/v1/batch_messages/{id}/get_progress`
pub(super) async fn progress(asked: Asked) -> Response {
    about(asked, "progress", |state, id, _, now| state.progress(id, now)).await
}

/// Answers a call about the message in its path; `call` is its name for faults.
async fn about(
    (State(sandbox), Path(id), RawQuery(query), headers): Asked,
    call: &str,
    act: impl FnOnce(&mut AppState, &str, Option<&str>, u64) -> Result<Value, Refusal>,
) -> Response {
    let now = sandbox.now();
    let judge =
        || sandbox.feishu().apps.by_token(&headers, now, |state| act(state, &id, query.as_deref(), now));
    sandbox.aside(Platform::FeishuApp, call, judge).await
}

impl AppState {
    fn readers(&mut self, id: &str, query: Option<&str>, now: u64) -> Result<Value, Refusal> {
        self.check_bot()?;
        let invalid = |what: &str| Refusal::new(230_001, format!("invalid request parameter, ext={what}"));
        let kind = request::query(query, "user_id_type").unwrap_or_default();
        if !matches!(kind.as_str(), "open_id" | "union_id" | "user_id") {
            return Err(invalid("user_id_type"));
        }
        let size = request::query(query, "page_size").map_or(Ok(20), |size| size.parse());
        let size: usize =
            size.ok().filter(|size| (1..=PAGE).contains(size)).ok_or_else(|| invalid("page_size"))?;
        let from = request::query(query, "page_token").filter(|token| !token.is_empty());
        let from: usize = from.map_or(Ok(0), |token| token.parse()).map_err(|_| invalid("page_token"))?;
        let sent = self.messages.get(id).filter(|_| id.starts_with("om_"));
        let sent = sent.ok_or_else(|| Refusal::new(230_012, "Bot is NOT the sender of the message."))?;
        if sent.recalled {
            return Err(Refusal::new(230_110, "Action unavailable as the message has been deleted."));
        }
        if now.saturating_sub(sent.at) > READ_MS {
            let msg = "Get the reading status must be done within 7 days after the message is sent.";
            return Err(Refusal::new(230_033, msg));
        }
        let items: Vec<Value> = sent
            .read
            .iter()
            .skip(from)
            .take(size)
            .map(|(user, at)| json!({"user_id_type": kind, "user_id": user, "timestamp": at.to_string(), "tenant_key": "sandbox"}))
            .collect();
        let mut data = json!({"items": items, "has_more": from + size < sent.read.len()});
        if from + size < sent.read.len() {
            data["page_token"] = (from + size).to_string().into();
        }
        Ok(json!({"code": 0, "msg": "success", "data": data}))
    }

    fn recall(&mut self, id: &str, prefix: &str, now: u64) -> Result<Value, Refusal> {
        self.check_bot()?;
        let missing = || match prefix {
            "om_" => Refusal::new(230_026, "No permission to recall this message."),
            _ => Refusal::new(230_030, "The message id is invalid, record not found."),
        };
        let sent = self.messages.get_mut(id).filter(|_| id.starts_with(prefix)).ok_or_else(missing)?;
        if now.saturating_sub(sent.at) > RECALL_MS {
            return Err(Refusal::new(230_009, "Message has expired when recall message."));
        }
        if sent.recalled && prefix == "om_" {
            return Err(Refusal::new(230_110, "Action unavailable as the message has been deleted."));
        }
        sent.recalled = true;
        Ok(json!({"code": 0, "msg": "success", "data": {}}))
    }

    fn progress(&self, id: &str, now: u64) -> Result<Value, Refusal> {
        let sent = self
            .messages
            .get(id)
            .filter(|sent| id.starts_with("bm-") && now.saturating_sub(sent.at) <= BATCH_MS);
        let missing = || Refusal::new(230_030, "The message id is invalid, record not found.");
        let sent = sent.ok_or_else(missing)?;
        // The batch waits for a while; until then nobody counts.
        let begun = now > sent.at;
        let count = |n: usize| if begun { n } else { 0 };
        let arrived = sent.to.iter().filter(|id| !id.contains("hidden")).count();
        let progress = json!({
            "valid_user_ids_count": count(sent.to.len()),
            "success_user_ids_count": count(arrived),
            "read_user_ids_count": count(sent.read.len()),
        });
        let recall =
            json!({"recall": sent.recalled, "recall_count": if sent.recalled { arrived } else { 0 }});
        let data = json!({"batch_message_send_progress": progress, "batch_message_recall_progress": recall});
        Ok(json!({"code": 0, "msg": "success", "data": data}))
    }
}
