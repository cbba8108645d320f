//! `POST /cgi-bin/message/send?access_token=`

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::people::People;
use super::{Apps, card, content};
use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::mask;
use crate::request::{self, text};
use crate::sandbox::Sandbox;
use crate::wecom::{describe, rules};

/// Seconds for which an equal message is suppressed, if the sender asks for it.
const DUPLICATES: u64 = 1800;
const LONGEST_DUPLICATES: u64 = 14_400;

/// `POST /cgi-bin/message/send?access_token=`
pub(crate) async fn send(
    State(sandbox): State<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let token = request::query(query.as_deref(), "access_token").unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut item = Item::draft(Platform::WecomApp, mask::key(&token), &body);
    describe::fill(&mut item, &message);
    let now = sandbox.now();
    let judge = |item: &mut Item| {
        let apps = sandbox.wecom_apps();
        let judged =
            apps.by_token(query.as_deref(), now, |state| state.accept(apps, &method, &body, item, now));
        judged.unwrap_or_else(Verdict::Refused)
    };
    sandbox.receive(item, judge).await
}

/// What every call with a JSON body has in common.
pub(super) fn json_body(method: &Method, body: &[u8]) -> Result<Value, Refusal> {
    if method != Method::POST {
        return Err(Refusal::new(40058, "invalid request: POST expected"));
    }
    if rules::has_unicode_escape(body) {
        return Err(Refusal::new(40033, "invalid charset: \\uXXXX is not allowed"));
    }
    let message: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(40058, format!("Warning: wrong json format. {error}")))?;
    if message.is_object() { Ok(message) } else { Err(Refusal::new(40058, "Warning: wrong json format.")) }
}

impl super::State {
    fn accept(
        &mut self,
        apps: &Apps,
        method: &Method,
        body: &[u8],
        item: &mut Item,
        now: u64,
    ) -> Result<Verdict, Refusal> {
        item.target = self.name();
        let message = json_body(method, body)?;
        self.check_agent(&message)?;
        let msgtype = text(&message, "msgtype", 40008)?;
        let part = message.get(msgtype).unwrap_or(&Value::Null);
        let media = |id: &str, kind: &str| apps.media.judge(&self.corp, id, kind, now);
        content::check(msgtype, part, &message, media)?;
        if let Some(name) = part.get("media_id").and_then(Value::as_str).and_then(|id| apps.media.name(id)) {
            item.text = name;
        }
        let people = People::of(&message, &self.app)?;
        let answers = msgtype == "template_card" && self.check_card(part)?;
        if self.is_duplicate(&message, body, now)? {
            // The page does not say what is answered; a success is the reading that hides most.
            return Ok(Verdict::Repeated(json!({"errcode": 0, "errmsg": "ok", "msgid": ""})));
        }
        self.quota.take(people.reached.len(), self.app.accounts, now)?;
        item.to = people.reached.clone();
        if apps.limited {
            item.to.retain(|user| self.quota.member(user, now));
            if item.to.len() < people.reached.len() && self.app.says_member_limit {
                return Err(Refusal::new(45009, "api freq out of limit"));
            }
        }
        let nth = self.next();
        let msgid = format!("sandbox-msgid-{}-{nth}", self.agent);
        self.sent.insert(msgid.clone(), now);
        let mut answer = json!({"errcode": 0, "errmsg": "ok", "msgid": msgid});
        let lists = [
            ("invaliduser", &people.invalid_users),
            ("invalidparty", &people.invalid_parties),
            ("invalidtag", &people.invalid_tags),
            ("unlicenseduser", &people.unlicensed),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            answer[name] = list.join("|").into();
        }
        if answers {
            self.task_ids.insert(part["task_id"].as_str().unwrap_or_default().to_owned());
            answer["response_code"] = self.response_code(now).into();
        }
        // All of it dropped in silence is answered like all of it delivered.
        Ok(if item.to.is_empty() { Verdict::Repeated(answer) } else { Verdict::Answered(answer) })
    }

    pub(super) fn check_agent(&self, message: &Value) -> Result<(), Refusal> {
        match message.get("agentid") {
            None | Some(Value::Null) => Err(Refusal::new(41011, "agentid missing")),
            Some(agent) => match agent.as_u64() {
                Some(agent) if agent == self.agent => Ok(()),
                Some(_) => Err(Refusal::new(301_002, "agentid does not belong to the access_token")),
                None => Err(Refusal::wrong_type(40056, "agentid")),
            },
        }
    }

    /// Whether a card answers, for which the app needs a callback address.
    fn check_card(&self, part: &Value) -> Result<bool, Refusal> {
        let answers = card::check(part)?;
        if answers && self.app.callback.is_none() {
            return Err(Refusal::new(43012, "callback url is not set for the interactive card"));
        }
        let task = part.get("task_id").and_then(Value::as_str).unwrap_or_default();
        if answers && self.task_ids.contains(task) {
            return Err(Refusal::new(42014, "task_id is used already"));
        }
        Ok(answers)
    }

    fn is_duplicate(&mut self, message: &Value, body: &[u8], now: u64) -> Result<bool, Refusal> {
        let number = |name: &str| match message.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| Refusal::wrong_type(40058, name)),
        };
        if number("enable_duplicate_check")? != Some(1) {
            return Ok(false);
        }
        let seconds = number("duplicate_check_interval")?.unwrap_or(DUPLICATES);
        if seconds > LONGEST_DUPLICATES {
            return Err(Refusal::new(40058, "duplicate_check_interval is at most 14400"));
        }
        self.seen.retain(|_, until| now < *until);
        if self.seen.contains_key(body) {
            return Ok(true);
        }
        self.seen.insert(body.to_vec(), now + seconds * 1_000);
        Ok(false)
    }
}
