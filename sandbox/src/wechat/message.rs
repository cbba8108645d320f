//! What template messages and subscribe messages have in common.

use serde_json::Value;

use super::State;
use super::account::{WechatStanding, WechatTemplate};
use crate::answer::Refusal;
use crate::item::{Item, Platform};
use crate::request::{shown, text};
use crate::{mask, request};

/// An item for the inbox, made from whatever of the body can be read.
pub(super) fn describe(platform: Platform, kind: &str, query: Option<&str>, body: &[u8]) -> Item {
    let token = request::query(query, "access_token").unwrap_or_default();
    let mut item = Item::draft(platform, mask::key(&token), body);
    item.kind = kind.to_owned();
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    item.to.extend(shown(&message, "touser"));
    item
}

/// The lines of a message as its reader sees them: the template's own, with the values put in.
pub(super) fn lines(template: &WechatTemplate, data: &Value, value: impl Fn(&str) -> String) -> String {
    let mut text = template.content.clone();
    for keyword in template.keywords() {
        let given = data.pointer(&format!("/{keyword}/value")).and_then(Value::as_str).unwrap_or_default();
        text = text.replace(&format!("{{{{{keyword}.DATA}}}}"), &value(given));
    }
    text
}

/// An openid is `o` and 27 letters, digits, `-` or `_`, as all of those on the pages are.
fn is_openid(text: &str) -> bool {
    text.len() == 28
        && text.starts_with('o')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

impl State {
    /// The person a message goes to.
    pub(super) fn person<'m>(&self, message: &'m Value) -> Result<&'m str, Refusal> {
        let openid = text(message, "touser", 40003)?;
        let people = &self.account.people;
        if !is_openid(openid) || !(people.is_empty() || people.iter().any(|person| person == openid)) {
            return Err(Refusal::new(40003, "invalid openid"));
        }
        match self.account.standing.get(openid) {
            Some(WechatStanding::Unfollowed) if self.account.mini => {
                Err(Refusal::new(40003, "invalid openid"))
            }
            Some(WechatStanding::Unfollowed) => Err(Refusal::new(43004, "require subscribe")),
            Some(WechatStanding::Blacklisted) => Err(Refusal::new(43019, "user is in the blacklist")),
            Some(WechatStanding::Limited) => Err(Refusal::new(50002, "user limited")),
            None | Some(WechatStanding::Blocks | WechatStanding::Unreachable) => Ok(openid),
        }
    }

    /// The template a message is written in.
    pub(super) fn template(&self, message: &Value) -> Result<&WechatTemplate, Refusal> {
        let id = text(message, "template_id", 40036)?;
        if id.len() > 64 {
            return Err(Refusal::new(40036, "invalid template_id size"));
        }
        let template = self.account.templates.iter().find(|template| template.id == id);
        let template = template.ok_or_else(|| Refusal::new(40037, "invalid template_id"))?;
        if template.banned {
            return Err(Refusal::new(43116, "template is banned"));
        }
        Ok(template)
    }

    /// What becomes of a message that was accepted, in the words of the event.
    pub(super) fn fate(&self, openid: &str) -> &'static str {
        match self.account.standing.get(openid) {
            Some(WechatStanding::Blocks) => "failed:user block",
            Some(WechatStanding::Unreachable) => "failed: system failed",
            _ => "success",
        }
    }
}
