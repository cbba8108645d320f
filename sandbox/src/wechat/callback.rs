//! What accounts tell, and posting it.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::WechatCallback;
use crate::post::{self, Answer};
use crate::sandbox::Sandbox;
use crate::wxcipher::{WxCipher, signature};

/// Once, and up to three times more.
const TRIES: usize = 4;

/// Something that happened at an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum WechatEvent {
    /// `TEMPLATESENDJOBFINISH`: a template message has met its fate.
    TemplateFinished {
        /// Whose message it was.
        openid: String,
        /// What the send was answered with.
        msgid: u64,
        /// `success`, `failed:user block` or `failed: system failed`.
        status: String,
    },
    /// Somebody follows the account.
    Subscribe {
        /// Who.
        openid: String,
    },
    /// Somebody follows it no longer.
    Unsubscribe {
        /// Who.
        openid: String,
    },
    /// `subscribe_msg_popup_event`: somebody was asked whether they want messages.
    Popup {
        /// Who.
        openid: String,
        /// What they said, template by template.
        list: Vec<WechatPopup>,
    },
    /// `subscribe_msg_change_event`: somebody changed it in the settings.
    Change {
        /// Who.
        openid: String,
        /// What changed, template by template.
        list: Vec<WechatPopup>,
    },
    /// `subscribe_msg_sent_event`: a subscribe message has met its fate.
    Sent {
        /// Whose message it was.
        openid: String,
        /// The template's id.
        template_id: String,
        /// What the send was answered with.
        msgid: u64,
        /// Zero if it arrived.
        code: i64,
        /// The platform's word for it.
        status: String,
    },
}

/// What somebody decided about one template.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WechatPopup {
    /// The template's id.
    pub template_id: String,
    /// Whether they want its messages.
    pub accepts: bool,
}

/// A callback as it is posted.
#[derive(Clone, Debug)]
pub struct WechatPost {
    /// Behind the address, without `?`.
    pub query: String,
    /// `text/xml` or `application/json`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Sandbox {
    /// The callback of an event as the platform would post it now; `None` if the account has no callback.
    pub fn wechat_post(&self, app_id: &str, event: &WechatEvent) -> Option<WechatPost> {
        self.wechat_prepared(app_id, event).map(|(_, post)| post)
    }

    /// Posts an event to the account's callback address once; answers status and body, or what went wrong.
    pub async fn wechat_tell(&self, app_id: &str, event: &WechatEvent) -> Result<(u16, String), String> {
        let (url, post) = self.wechat_prepared(app_id, event).ok_or("the account has no callback")?;
        let mark = if url.contains('?') { '&' } else { '?' };
        post::post(&format!("{url}{mark}{}", post.query), post.content_type, post.body).await
    }

    /// Posts an event behind the answer to the call that caused it, and again while it is not taken.
    pub(super) fn wechat_tell_later(&self, app_id: String, event: WechatEvent) {
        let sandbox = self.clone();
        tokio::spawn(async move {
            for _ in 0..TRIES {
                let answer = sandbox.wechat_tell(&app_id, &event).await;
                let taken =
                    |(status, body): &Answer| *status == 200 && matches!(body.as_str(), "" | "success");
                if answer.as_ref().is_ok_and(taken) {
                    return;
                }
                tracing::debug!(?answer, "the callback was not taken");
            }
        });
    }

    fn wechat_prepared(&self, app_id: &str, event: &WechatEvent) -> Option<(String, WechatPost)> {
        let now = self.now();
        let found = self.wechat().with(app_id, |state| {
            let callback = state.account.callback.clone()?;
            state.sent += 1;
            Some((callback, state.account.mini, state.sent))
        });
        let (callback, mini, nth) = found??;
        let json = mini && callback.json;
        let message = if json { event.json(app_id, now) } else { event.xml(app_id, now) };
        let post = callback.wrap(app_id, event, &message, json, now, nth);
        Some((callback.url, post))
    }
}

impl WechatCallback {
    /// Signs a message, and encrypts it in secure mode.
    fn wrap(
        &self,
        app_id: &str,
        event: &WechatEvent,
        message: &str,
        json: bool,
        now: u64,
        nth: u64,
    ) -> WechatPost {
        let timestamp = (now / 1_000).to_string();
        let nonce = (415_670_741 + nth).to_string();
        let plain = signature(&[&self.token, &timestamp, &nonce]);
        let openid = event.openid();
        let mut query = format!("signature={plain}&timestamp={timestamp}&nonce={nonce}&openid={openid}");
        let content_type = if json { "application/json" } else { "text/xml" };
        let cipher = self.encoding_aes_key.as_deref().and_then(|key| WxCipher::new(key, app_id));
        let Some(cipher) = cipher else {
            return WechatPost { query, content_type, body: message.to_owned() };
        };
        let mut random = [0; 16];
        random.copy_from_slice(format!("{nth:016x}").as_bytes());
        let encrypted = cipher.encrypt(&random, message);
        let signed = signature(&[&self.token, &timestamp, &nonce, &encrypted]);
        // Writing to a text cannot fail.
        let _ = write!(query, "&encrypt_type=aes&msg_signature={signed}");
        let original = original_id(app_id);
        let body = if json {
            json!({"ToUserName": original, "Encrypt": encrypted}).to_string()
        } else {
            format!(
                "<xml>\n<ToUserName><![CDATA[{original}]]></ToUserName>\n<Encrypt><![CDATA[{encrypted}]]></Encrypt>\n</xml>"
            )
        };
        WechatPost { query, content_type, body }
    }
}

/// The account's name in callbacks.
fn original_id(app_id: &str) -> String {
    format!("gh_{}", &signature(&[app_id])[..12])
}

impl WechatEvent {
    fn openid(&self) -> &str {
        match self {
            WechatEvent::TemplateFinished { openid, .. }
            | WechatEvent::Subscribe { openid }
            | WechatEvent::Unsubscribe { openid }
            | WechatEvent::Popup { openid, .. }
            | WechatEvent::Change { openid, .. }
            | WechatEvent::Sent { openid, .. } => openid,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            WechatEvent::TemplateFinished { .. } => "TEMPLATESENDJOBFINISH",
            WechatEvent::Subscribe { .. } => "subscribe",
            WechatEvent::Unsubscribe { .. } => "unsubscribe",
            WechatEvent::Popup { .. } => "subscribe_msg_popup_event",
            WechatEvent::Change { .. } => "subscribe_msg_change_event",
            WechatEvent::Sent { .. } => "subscribe_msg_sent_event",
        }
    }

    /// The wrapper of the list, in XML, and its entries as names and values.
    fn list(&self) -> (&'static str, Vec<Vec<(&'static str, String)>>) {
        let popups = |list: &[WechatPopup], scene: bool| {
            let entries = list.iter().map(|popup| {
                let said = if popup.accepts { "accept" } else { "reject" };
                let mut entry = vec![
                    ("TemplateId", popup.template_id.clone()),
                    ("SubscribeStatusString", said.to_owned()),
                ];
                entry.extend(scene.then(|| ("PopupScene", "2".to_owned())));
                entry
            });
            entries.collect()
        };
        match self {
            WechatEvent::Popup { list, .. } => ("SubscribeMsgPopupEvent", popups(list, true)),
            WechatEvent::Change { list, .. } => ("SubscribeMsgChangeEvent", popups(list, false)),
            WechatEvent::Sent { template_id, msgid, code, status, .. } => {
                let entry = vec![
                    ("TemplateId", template_id.clone()),
                    ("MsgID", msgid.to_string()),
                    ("ErrorCode", code.to_string()),
                    ("ErrorStatus", status.clone()),
                ];
                ("SubscribeMsgSentEvent", vec![entry])
            }
            _ => ("", Vec::new()),
        }
    }

    fn xml(&self, app_id: &str, now: u64) -> String {
        let (original, seconds) = (original_id(app_id), now / 1_000);
        let mut xml = format!(
            "<xml><ToUserName><![CDATA[{original}]]></ToUserName>\n\
             <FromUserName><![CDATA[{}]]></FromUserName>\n<CreateTime>{seconds}</CreateTime>\n\
             <MsgType><![CDATA[event]]></MsgType>\n<Event><![CDATA[{}]]></Event>\n",
            self.openid(),
            self.name(),
        );
        // Writing to a text cannot fail.
        if let WechatEvent::TemplateFinished { msgid, status, .. } = self {
            let _ = write!(xml, "<MsgID>{msgid}</MsgID>\n<Status><![CDATA[{status}]]></Status>\n");
        }
        if matches!(self, WechatEvent::Subscribe { .. } | WechatEvent::Unsubscribe { .. }) {
            xml.push_str("<EventKey><![CDATA[]]></EventKey>\n");
        }
        let (wrapper, entries) = self.list();
        if !entries.is_empty() {
            let _ = writeln!(xml, "<{wrapper}>");
            for entry in entries {
                xml.push_str("<List>");
                for (name, value) in entry {
                    let _ = write!(xml, "<{name}><![CDATA[{value}]]></{name}>");
                }
                xml.push_str("</List>\n");
            }
            let _ = writeln!(xml, "</{wrapper}>");
        }
        xml + "</xml>"
    }

    /// The list is an object when it has one entry and an array otherwise.
    fn json(&self, app_id: &str, now: u64) -> String {
        let mut event = json!({
            "ToUserName": original_id(app_id),
            "FromUserName": self.openid(),
            "CreateTime": now / 1_000,
            "MsgType": "event",
            "Event": self.name(),
        });
        let (_, entries) = self.list();
        let mut entries: Vec<Value> = entries
            .into_iter()
            .map(|entry| {
                entry.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
            })
            .collect();
        if entries.len() == 1 {
            event["List"] = entries.remove(0);
        } else if !entries.is_empty() {
            event["List"] = entries.into();
        }
        if let WechatEvent::TemplateFinished { msgid, status, .. } = self {
            event["MsgID"] = json!(msgid);
            event["Status"] = json!(status);
        }
        event.to_string()
    }
}
