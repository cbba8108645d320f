//! Messages of an app: to one, and to many at once.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::app::{AppState, Sent};
use super::content::{self, Codes};
use super::{card, describe};
use crate::answer::{Refusal, Verdict};
use crate::item::Item;
use crate::request::{self, shown};
use crate::sandbox::Sandbox;

/// "150 KB" and "30 KB" of request, read as thousands, which is the stricter reading.
const TEXT_BYTES: usize = 150_000;
const RICH_BYTES: usize = 30_000;
const UUID_CHARACTERS: usize = 50;
const DEDUPE_MS: u64 = 3_600_000;
/// In each list of a batch.
const BATCH_IDS: usize = 200;

const SINGLE: Codes = Codes { shape: 230_001, card: 230_099, rich: true };
const BATCH: Codes = Codes { shape: 10_003, card: 11_246, rich: false };

/// `POST /open-apis/im/v1/messages?receive_id_type=`
pub(super) async fn single(
    State(sandbox): State<Sandbox>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let item = describe::single(&body);
    let now = sandbox.now();
    let judge = |item: &mut Item| {
        let judged = sandbox.feishu().apps.by_token(&headers, now, |state| {
            item.target.clone_from(&state.app_id);
            check_content_type(&headers)?;
            state.take(query.as_deref(), &body, now)
        });
        judged.unwrap_or_else(Verdict::Refused)
    };
    sandbox.receive(item, judge).await
}

/// `POST /open-apis/message/v4/batch_send/`
pub(super) async fn batch(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    let item = describe::batch(&body);
    let now = sandbox.now();
    let judge = |item: &mut Item| {
        let judged = sandbox.feishu().apps.by_token(&headers, now, |state| {
            item.target.clone_from(&state.app_id);
            check_content_type(&headers)?;
            state.take_batch(&body, now)
        });
        judged.unwrap_or_else(Verdict::Refused)
    };
    sandbox.receive(item, judge).await
}

/// The pages name one fixed value.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if value.replace(' ', "").eq_ignore_ascii_case("application/json;charset=utf-8") {
        return Ok(());
    }
    Err(Refusal::new(99_992_402, "Content-Type must be application/json; charset=utf-8"))
}

fn parameter(what: &str) -> Refusal {
    Refusal::new(230_001, format!("Your request contains an invalid request parameter, ext={what}"))
}

impl AppState {
    fn take(&mut self, query: Option<&str>, body: &[u8], now: u64) -> Result<Verdict, Refusal> {
        self.check_bot()?;
        self.check_scope(&["im:message", "im:message:send_as_bot", "im:message:send"])?;
        let message: Value = serde_json::from_slice(body).map_err(|_| parameter("invalid json"))?;
        let receive_id_type = request::query(query, "receive_id_type").unwrap_or_default();
        let id = shown(&message, "receive_id").ok_or_else(|| parameter("receive_id is missing"))?;
        let uuid = shown(&message, "uuid");
        if uuid.as_ref().is_some_and(|uuid| uuid.chars().count() > UUID_CHARACTERS) {
            return Err(parameter("uuid is too long"));
        }
        self.check_receiver(&receive_id_type, &id)?;
        let msg_type = shown(&message, "msg_type").unwrap_or_default();
        if body.len() > if msg_type == "text" { TEXT_BYTES } else { RICH_BYTES } {
            return Err(Refusal::new(230_025, "The length of the message content reaches its limit."));
        }
        // It must be JSON inside of a text; an object is a mistake that is often made.
        let content = message
            .get("content")
            .and_then(Value::as_str)
            .ok_or_else(|| parameter("content is no string"))?;
        let content: Value =
            serde_json::from_str(content).map_err(|_| parameter("content is not a string in json format"))?;
        check_content(&msg_type, &content, SINGLE)?;
        self.check_owner(&msg_type, &content)?;
        self.seen.retain(|_, (at, _)| now.saturating_sub(*at) < DEDUPE_MS);
        if let Some((_, message_id)) = uuid.as_ref().and_then(|uuid| self.seen.get(uuid)) {
            return Ok(Verdict::Repeated(self.answer(message_id, &msg_type)));
        }
        self.check_near(&id, now)?;
        let message_id = self.next_id("om_");
        self.seen.extend(uuid.map(|uuid| (uuid, (now, message_id.clone()))));
        let chat = if receive_id_type == "chat_id" { id.clone() } else { format!("oc_{:0>32x}", self.sent) };
        let sent = Sent { at: now, to: vec![id], chat, read: Vec::new(), recalled: false };
        self.messages.insert(message_id.clone(), sent);
        Ok(Verdict::Answered(self.answer(&message_id, &msg_type)))
    }

    fn check_receiver(&self, receive_id_type: &str, id: &str) -> Result<(), Refusal> {
        let fits = match receive_id_type {
            "open_id" => id.starts_with("ou_"),
            "union_id" => id.starts_with("on_"),
            "chat_id" => id.starts_with("oc_"),
            "email" => id.contains('@'),
            "user_id" => true,
            _ => return Err(parameter("receive_id_type is invalid")),
        };
        let refuse = |code, msg: &str| Err(Refusal::new(code, msg));
        match id {
            _ if !fits => refuse(230_034, "The receive_id is invalid."),
            _ if receive_id_type == "chat_id" && id.contains("outside") => {
                refuse(230_002, "The bot can not be outside the group.")
            }
            _ if receive_id_type == "open_id" && id.contains("unknown") => {
                refuse(99_992_351, &format!("these open ids not existed: [{id}]"))
            }
            _ if id.contains("unknown") => refuse(230_034, "The receive_id is invalid."),
            _ if id.contains("resigned") => refuse(230_029, "User has resigned."),
            _ if id.contains("hidden") => refuse(230_013, "Bot has NO availability to this user."),
            _ if id.contains("stopped") => {
                refuse(230_053, "The user has stopped the bot from sending messages.")
            }
            _ => Ok(()),
        }
    }

    fn answer(&self, message_id: &str, msg_type: &str) -> Value {
        let sent = self.messages.get(message_id);
        // Times are texts, in milliseconds.
        let time = sent.map_or_else(String::new, |sent| sent.at.to_string());
        let chat = sent.map(|sent| sent.chat.as_str()).unwrap_or_default();
        json!({"code": 0, "msg": "success", "data": {
            "message_id": message_id, "msg_type": msg_type, "create_time": time, "update_time": time,
            "deleted": false, "updated": false, "chat_id": chat,
            "sender": {"id": self.app_id, "id_type": "app_id", "sender_type": "app", "tenant_key": "sandbox"},
        }})
    }

    fn take_batch(&mut self, body: &[u8], now: u64) -> Result<Verdict, Refusal> {
        let invalid = |what: &str| Refusal::new(10_003, format!("Invalid parameter. {what}"));
        if !self.app.bot {
            return Err(Refusal::new(11_205, "App do not have bot."));
        }
        let message: Value = serde_json::from_slice(body).map_err(|_| invalid("no json"))?;
        let granted = |scope: &str| self.app.scopes.iter().any(|granted| granted == scope);
        let (mut to, mut unknown) = (Vec::new(), Map::new());
        for (list, answer, prefix, scope, code) in [
            ("open_ids", "invalid_open_ids", "ou_", "im:message:send_multi_users", 11_203),
            ("union_ids", "invalid_union_ids", "on_", "im:message:send_multi_users", 11_203),
            ("user_ids", "invalid_user_ids", "", "im:message:send_multi_users", 11_203),
            ("department_ids", "invalid_department_ids", "", "im:message:send_multi_depts", 11_204),
        ] {
            let ids = request::texts(&message, list, 10_003)?;
            if ids.len() > BATCH_IDS {
                return Err(invalid("a list holds at most 200 ids"));
            }
            if !ids.is_empty() && !granted(scope) {
                return Err(Refusal::new(code, "permission denied"));
            }
            let bad = |id: &&str| {
                !id.starts_with(prefix) || ["unknown", "resigned"].iter().any(|word| id.contains(word))
            };
            let (bad, good): (Vec<&str>, Vec<&str>) = ids.into_iter().partition(bad);
            unknown.insert(answer.to_owned(), json!(bad));
            to.extend(good.into_iter().map(str::to_owned));
        }
        if ["open_ids", "union_ids", "user_ids", "department_ids"]
            .iter()
            .all(|list| message.get(list).is_none())
        {
            return Err(invalid("one of the lists is needed"));
        }
        let msg_type = shown(&message, "msg_type").unwrap_or_default();
        if body.len() > if msg_type == "text" { TEXT_BYTES } else { RICH_BYTES } {
            return Err(Refusal::new(10_002, "Create or send message fail. The message is too long."));
        }
        let null = Value::Null;
        let content = message.get("content").unwrap_or(&null);
        match msg_type.as_str() {
            "interactive" => card::check(message.get("card").unwrap_or(&null), BATCH.card)?,
            "post" => content::post(content.get("post").unwrap_or(&null), BATCH)?,
            "text" | "image" | "share_chat" => {
                check_content(&msg_type, content, BATCH)?;
                self.check_owner(&msg_type, content)?;
            }
            _ => return Err(invalid("msg_type")),
        }
        let message_id = self.next_id("bm-");
        let sent = Sent { at: now, to, chat: String::new(), read: Vec::new(), recalled: false };
        self.messages.insert(message_id.clone(), sent);
        unknown.insert("message_id".to_owned(), json!(message_id));
        Ok(Verdict::Answered(json!({"code": 0, "msg": "ok", "data": unknown})))
    }
}

fn check_content(msg_type: &str, content: &Value, codes: Codes) -> Result<(), Refusal> {
    match msg_type {
        "text" => content::text(content, codes),
        "post" => content::post(content, codes),
        "interactive" => card::check(content, codes.card),
        "image" => content::member(content, "image_key", codes),
        "file" | "audio" | "media" | "sticker" => content::member(content, "file_key", codes),
        "share_chat" => content::member(content, if codes.rich { "chat_id" } else { "share_chat_id" }, codes),
        "share_user" => content::member(content, "user_id", codes),
        _ => {
            Err(Refusal::new(codes.shape, "Your request contains an invalid request parameter, ext=msg_type"))
        }
    }
}
