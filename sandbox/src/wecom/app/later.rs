//! What can be done about a message that was sent: taking it back, and changing its card.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::DAY_MS;
use super::send::json_body;
use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::request::{list, shown, text};
use crate::sandbox::Sandbox;

/// A call about a message, as it came.
type Asked = (State<Sandbox>, Method, RawQuery, Bytes);

/// `POST /cgi-bin/message/recall?access_token=`
pub(crate) async fn recall(asked: Asked) -> Response {
    about(asked, "recall", |state, message, item, now| {
        let msgid = text(message, "msgid", 40063)?;
        msgid.clone_into(&mut item.text);
        match state.sent.get(msgid) {
            None => Err(Refusal::new(40058, "invalid msgid")),
            Some(at) if now.saturating_sub(*at) >= DAY_MS => {
                Err(Refusal::new(42052, "the message is older than 24 hours"))
            }
            Some(_) => Ok(Verdict::Accepted),
        }
    })
    .await
}

/// `POST /cgi-bin/message/update_template_card?access_token=`
pub(crate) async fn update(asked: Asked) -> Response {
    about(asked, "update_template_card", |state, message, item, now| {
        state.change(message, item, now).map(Verdict::Answered)
    })
    .await
}

/// Takes a call about a message into the inbox, where it is seen as of this kind.
async fn about(
    (State(sandbox), method, RawQuery(query), body): Asked,
    kind: &str,
    act: impl FnOnce(&mut super::State, &Value, &mut Item, u64) -> Result<Verdict, Refusal>,
) -> Response {
    let now = sandbox.now();
    let mut item = Item::draft(Platform::WecomApp, String::new(), &body);
    item.kind = kind.to_owned();
    let judge = |item: &mut Item| {
        let judged = sandbox.wecom_apps().by_token(query.as_deref(), now, |state| {
            item.target = state.name();
            let message = json_body(&method, &body)?;
            act(state, &message, item, now)
        });
        judged.unwrap_or_else(Verdict::Refused)
    };
    sandbox.receive(item, judge).await
}

impl super::State {
    fn change(&mut self, message: &Value, item: &mut Item, now: u64) -> Result<Value, Refusal> {
        self.check_agent(message)?;
        let all = message.get("atall").and_then(Value::as_u64) == Some(1);
        let users = list(message, "userids", 40031)?;
        let groups = [list(message, "partyids", 40066)?, list(message, "tagids", 40068)?];
        if users.len() > 1000 {
            return Err(Refusal::new(40032, "invalid userid list size, max 1000"));
        }
        if groups.iter().any(|list| list.len() > 100 || list.iter().any(|id| !id.is_u64())) {
            return Err(Refusal::new(40058, "at most 100 numbers"));
        }
        if !all && users.is_empty() && groups.iter().all(|list| list.is_empty()) {
            return Err(Refusal::new(82001, "user & party & tag all empty"));
        }
        item.to = users.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let button = message.get("button").filter(|button| !button.is_null());
        let card = message.get("template_card").filter(|card| !card.is_null());
        item.text = match (button, card) {
            (Some(button), None) => text(button, "replace_name", 40063)?.to_owned(),
            (None, Some(card)) => shown(card, "replace_text").unwrap_or_default(),
            _ => return Err(Refusal::new(40058, "either button or template_card is expected")),
        };
        let code = text(message, "response_code", 60140)?;
        match self.response_codes.remove(code) {
            Some(until) if now < until => {}
            _ => return Err(Refusal::new(60140, "response_code is used or expired")),
        }
        let known = |user: &String| self.app.users.as_ref().is_none_or(|users| users.contains(user));
        let unknown: Vec<&String> = item.to.iter().filter(|user| !known(user)).collect();
        // A list here, and a text in the answer to sending.
        Ok(json!({"errcode": 0, "errmsg": "ok", "invaliduser": unknown}))
    }
}
