//! `POST /cgi-bin/message/subscribe/send` of a mini program, and the list of its templates.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::callback::WechatEvent;
use super::quota::SUBSCRIBE_SEND;
use super::{data, json_body, message};
use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::request::shown;
use crate::sandbox::Sandbox;

const STATES: [&str; 3] = ["developer", "trial", "formal"];
const LANGUAGES: [&str; 4] = ["zh_CN", "en_US", "zh_HK", "zh_TW"];

/// `POST /cgi-bin/message/subscribe/send?access_token=`
pub(crate) async fn send(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let item = message::describe(Platform::WechatMini, "subscribe", query.as_deref(), &body);
    let now = sandbox.now();
    let judge = |item: &mut Item| {
        let judged =
            sandbox.wechat().by_token(query.as_deref(), now, |state| state.subscribed(&body, item, now));
        match judged {
            Ok((answer, told)) => {
                if let Some((app_id, event)) = told {
                    sandbox.wechat_tell_later(app_id, event);
                }
                Verdict::Answered(answer)
            }
            Err(refusal) => Verdict::Refused(refusal),
        }
    };
    sandbox.receive(item, judge).await
}

/// The answer, and what is told later by which account.
type Subscribed = (Value, Option<(String, WechatEvent)>);

impl super::State {
    fn subscribed(&mut self, body: &[u8], item: &mut Item, now: u64) -> Result<Subscribed, Refusal> {
        if !self.account.mini {
            return Err(Refusal::new(48001, "api unauthorized"));
        }
        item.target.clone_from(&self.app_id);
        let message = json_body(body)?;
        let openid = self.person(&message)?.to_owned();
        let template = self.template(&message)?;
        item.title = Some(template.title.clone());
        // The page says "absent = no jump"; a page of the package has no scheme and no slash in front.
        let page = shown(&message, "page").unwrap_or_default();
        if page.starts_with('/') || page.contains("://") {
            return Err(Refusal::new(41030, "invalid page"));
        }
        one_of(&message, "miniprogram_state", &STATES)?;
        one_of(&message, "lang", &LANGUAGES)?;
        let values = message.get("data").unwrap_or(&Value::Null);
        data::check(template, values, true)?;
        item.text = message::lines(template, values, str::to_owned);
        let (id, long_term) = (template.id.clone(), template.long_term);
        self.permit(&openid, &id, long_term)?;
        self.count(SUBSCRIBE_SEND, now)?;
        let msgid = self.next_msgid();
        // Which codes a failure may have is UNCONFIRMED; any but zero is one.
        let failed = self.fate(&openid) != "success";
        let status = if failed { "failed" } else { "success" }.to_owned();
        let told = self.account.callback.as_ref().is_some_and(|callback| callback.tells);
        let event = WechatEvent::Sent { openid, template_id: id, msgid, code: i64::from(failed), status };
        let answer = json!({"errcode": 0, "errmsg": "ok", "msgid": msgid});
        Ok((answer, told.then(|| (self.app_id.clone(), event))))
    }

    /// Uses up one accept of this person for this template.
    fn permit(&mut self, openid: &str, template: &str, long_term: bool) -> Result<(), Refusal> {
        if self.account.accepts_all {
            return Ok(());
        }
        let left = self.account.accepts.get_mut(openid).and_then(|accepts| accepts.get_mut(template));
        match left {
            Some(left) if *left > 0 => {
                *left -= u32::from(!long_term);
                Ok(())
            }
            _ => Err(Refusal::new(43101, "user refuse to accept the msg")),
        }
    }
}

fn one_of(message: &Value, name: &str, known: &[&str]) -> Result<(), Refusal> {
    match message.get(name) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(value)) if known.contains(&value.as_str()) => Ok(()),
        Some(_) => Err(Refusal::new(47003, format!("argument invalid! {name} invalid"))),
    }
}

/// `GET /wxaapi/newtmpl/gettemplate?access_token=`
pub(crate) async fn list(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.wechat().by_token(query.as_deref(), now, |state| {
            let templates = state.account.templates.iter().map(|template| {
                let values = template
                    .values
                    .iter()
                    .map(|(keyword, values)| json!({"keywordCode": keyword, "enumValueList": values}));
                json!({
                    "priTmplId": template.id,
                    "title": template.title,
                    "content": template.content,
                    "example": "",
                    "type": if template.long_term { 3 } else { 2 },
                    "keywordEnumValueList": values.collect::<Vec<_>>(),
                })
            });
            Ok(json!({"errcode": 0, "errmsg": "ok", "data": templates.collect::<Vec<_>>()}))
        })
    };
    sandbox.aside(Platform::WechatMini, "templates", judge).await
}
