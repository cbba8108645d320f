//! `POST /cgi-bin/message/template/send` and the list of an account's templates.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::callback::WechatEvent;
use super::quota::TEMPLATE_SEND;
use super::{data, json_body, message};
use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::request::{shown, text};
use crate::sandbox::Sandbox;

/// How long a `client_msg_id` is remembered.
const DEDUPE_MS: u64 = 600_000;
const URL_BYTES: usize = 2048;

/// `POST /cgi-bin/message/template/send?access_token=`
pub(crate) async fn send(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let item = message::describe(Platform::Wechat, "template", query.as_deref(), &body);
    let now = sandbox.now();
    let judge = |item: &mut Item| {
        let judged = sandbox.wechat().by_token(query.as_deref(), now, |state| state.accept(&body, item, now));
        let (verdict, told) = match judged {
            Ok((verdict, told)) => (verdict, told),
            Err(refusal) => (Verdict::Refused(refusal), None),
        };
        if let Some((app_id, event)) = told {
            sandbox.wechat_tell_later(app_id, event);
        }
        verdict
    };
    sandbox.receive(item, judge).await
}

/// What a message comes to, and what is told of it later by which account.
type Accepted = (Verdict, Option<(String, WechatEvent)>);

impl super::State {
    fn accept(&mut self, body: &[u8], item: &mut Item, now: u64) -> Result<Accepted, Refusal> {
        if self.account.mini {
            return Err(Refusal::new(48001, "api unauthorized"));
        }
        item.target.clone_from(&self.app_id);
        let message = json_body(body)?;
        let openid = self.person(&message)?.to_owned();
        let template = self.template(&message)?;
        item.title = Some(template.title.clone());
        check_jump(&message, &self.account.mini_programs)?;
        let values = message.get("data").unwrap_or(&Value::Null);
        data::check(template, values, false)?;
        item.text = message::lines(template, values, data::shown);
        let client = shown(&message, "client_msg_id").map(|id| (openid.clone(), id));
        self.seen.retain(|_, (at, _)| now.saturating_sub(*at) < DEDUPE_MS);
        if let Some((_, msgid)) = client.as_ref().and_then(|client| self.seen.get(client)) {
            return Ok((Verdict::Repeated(accepted(*msgid)), None));
        }
        self.count(TEMPLATE_SEND, now)?;
        let msgid = self.next_msgid();
        self.seen.extend(client.map(|client| (client, (now, msgid))));
        let status = self.fate(&openid).to_owned();
        let told = self.account.callback.as_ref().is_some_and(|callback| callback.tells);
        let event = WechatEvent::TemplateFinished { openid, msgid, status };
        Ok((Verdict::Answered(accepted(msgid)), told.then(|| (self.app_id.clone(), event))))
    }
}

fn accepted(msgid: u64) -> Value {
    json!({"errcode": 0, "errmsg": "ok", "msgid": msgid})
}

/// Where a click leads: a web page, or a page of a mini program that is bound to the account.
fn check_jump(message: &Value, bound: &[String]) -> Result<(), Refusal> {
    if shown(message, "url").is_some_and(|url| url.len() > URL_BYTES) {
        return Err(Refusal::new(40039, "invalid url size"));
    }
    let Some(program) = message.get("miniprogram").filter(|program| !program.is_null()) else {
        return Ok(());
    };
    let app_id = text(program, "appid", 40013)?;
    if !bound.iter().any(|one| one == app_id) {
        return Err(Refusal::new(40013, "invalid appid"));
    }
    match shown(program, "pagepath") {
        Some(path) if path.starts_with('/') || path.contains("://") => {
            Err(Refusal::new(41030, "invalid page"))
        }
        _ => Ok(()),
    }
}

/// `GET /cgi-bin/template/get_all_private_template?access_token=`
pub(crate) async fn list(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.wechat().by_token(query.as_deref(), now, |state| {
            let templates = state.account.templates.iter().map(|template| {
                json!({
                    "template_id": template.id,
                    "title": template.title,
                    "primary_industry": "",
                    "deputy_industry": "",
                    "content": template.content,
                    "example": "",
                })
            });
            // The page shows no errcode in a success.
            Ok(json!({"template_list": templates.collect::<Vec<_>>()}))
        })
    };
    sandbox.aside(Platform::Wechat, "templates", judge).await
}
