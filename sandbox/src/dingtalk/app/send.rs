//! `POST /topapi/message/corpconversation/asyncsend_v2?access_token=`

use axum::extract::{RawQuery, State as FromState};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::people::People;
use super::{Call, State, content, object};
use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::mask;
use crate::request::{self, text};
use crate::sandbox::Sandbox;

/// Bytes of `msg`.
const MSG_BYTES: usize = 2048;
/// A status bar is for messages to a few.
const STATUS_BAR_PEOPLE: usize = 5;

/// A message that was taken, and what became of it.
pub(super) struct Task {
    pub(super) at: u64,
    pub(super) people: People,
    /// Who was left out without a word, and the platform's code for why.
    pub(super) dropped: Vec<(String, &'static str)>,
    pub(super) read: Vec<String>,
    pub(super) recalled: bool,
}

impl Task {
    /// Has somebody read it.
    pub(super) fn read(&mut self, user: &str) -> bool {
        let has_it = self.people.users.iter().any(|known| known == user)
            && self.dropped.iter().all(|(dropped, _)| dropped != user);
        if has_it && self.read.iter().all(|known| known != user) {
            self.read.push(user.to_owned());
        }
        has_it
    }
}

pub(super) async fn send(
    FromState(sandbox): FromState<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let token = request::query(query.as_deref(), "access_token").unwrap_or_default();
    let mut item = Item::draft(Platform::DingtalkApp, mask::key(&token), &body);
    content::describe(&mut item, &serde_json::from_slice(&body).unwrap_or_default());
    let now = sandbox.now();
    let call = Call { method: &method, query: query.as_deref(), api: "asyncsend_v2", now };
    let judge = |item: &mut Item| {
        let judged = sandbox.dingtalk_apps().by_token(&call, |state| {
            item.target = state.app_key.clone();
            state.accept(&object(&body)?, item, now)
        });
        judged.unwrap_or_else(Verdict::Refused)
    };
    sandbox.receive(item, judge).await
}

impl State {
    fn accept(&mut self, body: &Value, item: &mut Item, now: u64) -> Result<Verdict, Refusal> {
        self.check_agent(body)?;
        let msg = body.get("msg").filter(|msg| msg.is_object());
        // It may be a text with JSON in it for very old clients; the page shows an object.
        let msg = msg.ok_or_else(|| Refusal::new(40_035, "缺少参数 msg"))?;
        let words = msg.to_string();
        if words.len() > MSG_BYTES {
            return Err(Refusal::new(45_002, "消息内容超过限制: 2048 bytes"));
        }
        let msgtype = text(msg, "msgtype", 40_035)?;
        let part = msg.get(msgtype).unwrap_or(&Value::Null);
        content::check(msgtype, part, |media_id, kind| self.media.judge(media_id, kind))?;
        if let Some(name) = part.get("media_id").and_then(Value::as_str).and_then(|id| self.media.name(id)) {
            item.text = name;
        }
        let people = People::of(body, &self.app)?;
        let has_bar = part.get("status_bar").is_some_and(|bar| !bar.is_null());
        if has_bar && (people.users.len() > STATUS_BAR_PEOPLE || people.has_others()) {
            return Err(Refusal::new(40_035, "status_bar is for userid_list with at most 5 people"));
        }
        if people.all && !self.quota.may_go_to_all(now) {
            return Err(Refusal::new(41_045, "全员推送超过每天限制次数"));
        }
        let mut dropped = Vec::new();
        for user in &people.users {
            if let Some(code) = self.quota.drops(user, &words, now) {
                dropped.push((user.clone(), code));
            }
        }
        item.to = people.shown();
        item.to.retain(|user| dropped.iter().all(|(dropped, _)| dropped != user));
        let task_id = 256_271_667_000 + self.next();
        let task = Task { at: now, people, dropped, read: Vec::new(), recalled: false };
        self.tasks.insert(task_id, task);
        let answer = json!({"errcode": 0, "errmsg": "ok", "task_id": task_id,
            "request_id": format!("sandbox{task_id}")});
        // Nobody gets it, and the answer is the same.
        Ok(if item.to.is_empty() { Verdict::Repeated(answer) } else { Verdict::Answered(answer) })
    }
}
