//! What an app is told, and telling it.

use serde::Deserialize;

use super::account::WecomCallback;
use crate::post;
use crate::sandbox::Sandbox;
use crate::wxcipher::{WxCipher, signature};

/// Something that happened in an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum WecomEvent {
    /// `template_card_event`: somebody pressed a button of a card.
    Card {
        /// Who.
        user: String,
        /// The card's `task_id`.
        task_id: String,
        /// The card's type, such as `button_interaction`.
        card_type: String,
        /// The button's key.
        key: String,
    },
    /// `template_card_menu_event`: somebody chose from a card's menu.
    Menu {
        /// Who.
        user: String,
        /// The card's `task_id`.
        task_id: String,
        /// The card's type.
        card_type: String,
        /// The action's key.
        key: String,
    },
    /// `enter_agent`: somebody opened the app.
    Enter {
        /// Who.
        user: String,
    },
    /// `subscribe`: somebody came into the app's visible range.
    Subscribe {
        /// Who.
        user: String,
    },
    /// A text that somebody wrote to the app.
    Text {
        /// Who.
        user: String,
        /// What.
        content: String,
    },
}

/// A callback as it is posted.
#[derive(Clone, Debug)]
pub struct WecomPost {
    /// Behind the address, without `?`.
    pub query: String,
    /// The body.
    pub body: String,
}

impl Sandbox {
    /// The callback of an event as the platform would post it now; `None` if the app has no callback.
    pub fn wecom_post(&self, corp_id: &str, agent_id: u64, event: &WecomEvent) -> Option<WecomPost> {
        self.wecom_prepared(corp_id, agent_id, event).map(|(_, post)| post)
    }

    /// Posts an event to the app's callback address once; answers status and body, or what went wrong.
    pub async fn wecom_tell(
        &self,
        corp_id: &str,
        agent_id: u64,
        event: &WecomEvent,
    ) -> Result<(u16, String), String> {
        let prepared = self.wecom_prepared(corp_id, agent_id, event);
        let (url, post) = prepared.ok_or("the app has no callback")?;
        post::post(&behind(&url, &post.query), "text/xml", post.body).await
    }

    /// What follows `?` when the platform verifies the app's address, and what it wants to be answered.
    pub fn wecom_verification(&self, corp_id: &str, agent_id: u64) -> Option<(String, String)> {
        let now = self.now();
        let found = self.wecom_apps().with(corp_id, agent_id, |state| {
            let callback = state.app.callback.clone()?;
            Some((callback, state.next()))
        });
        let (callback, nth) = found??;
        let wanted = (1_616_140_317_555_161_061_u64 + nth).to_string();
        let (encrypted, query) = callback.seal(corp_id, &wanted, now, nth)?;
        let echo: String = url::form_urlencoded::byte_serialize(encrypted.as_bytes()).collect();
        Some((format!("{query}&echostr={echo}"), wanted))
    }

    /// Verifies the app's callback address, as saving it on the app's page does; an error says what is wrong.
    pub async fn wecom_verify(&self, corp_id: &str, agent_id: u64) -> Result<(), String> {
        let url = self.wecom_apps().with(corp_id, agent_id, |state| {
            state.app.callback.as_ref().map(|callback| callback.url.clone())
        });
        let url = url.flatten().ok_or("the app has no callback")?;
        let (query, wanted) = self.wecom_verification(corp_id, agent_id).ok_or("the key is not one")?;
        match post::get(&behind(&url, &query)).await? {
            (200, body) if body == wanted => Ok(()),
            (status, body) => Err(format!("answered {status} {body:?} in place of {wanted:?}")),
        }
    }

    fn wecom_prepared(
        &self,
        corp_id: &str,
        agent_id: u64,
        event: &WecomEvent,
    ) -> Option<(String, WecomPost)> {
        let now = self.now();
        let found = self.wecom_apps().with(corp_id, agent_id, |state| {
            let callback = state.app.callback.clone()?;
            // Every click brings one more code for changing the card.
            Some((callback, state.response_code(now), state.next()))
        });
        let (callback, response_code, nth) = found??;
        let message = event.xml(corp_id, agent_id, &response_code, now, nth);
        let (encrypted, query) = callback.seal(corp_id, &message, now, nth)?;
        let body = format!(
            "<xml><ToUserName><![CDATA[{corp_id}]]></ToUserName><AgentID><![CDATA[{agent_id}]]></AgentID>\
             <Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        );
        Some((callback.url, WecomPost { query, body }))
    }
}

fn behind(url: &str, query: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{query}")
}

impl WecomCallback {
    /// The encrypted message, and the signed query.
    fn seal(&self, corp_id: &str, message: &str, now: u64, nth: u64) -> Option<(String, String)> {
        let (timestamp, nonce) = ((now / 1_000).to_string(), (263_014_780 + nth).to_string());
        let mut random = [0; 16];
        random.copy_from_slice(format!("{nth:016x}").as_bytes());
        let encrypted = WxCipher::new(&self.encoding_aes_key, corp_id)?.encrypt(&random, message);
        let signed = signature(&[&self.token, &timestamp, &nonce, &encrypted]);
        Some((encrypted, format!("msg_signature={signed}&timestamp={timestamp}&nonce={nonce}")))
    }
}

impl WecomEvent {
    fn xml(&self, corp_id: &str, agent_id: u64, response_code: &str, now: u64, nth: u64) -> String {
        let seconds = now / 1_000;
        let (user, kind, rest) = match self {
            WecomEvent::Card { user, task_id, card_type, key } => {
                (user, "event", clicked("template_card_event", task_id, card_type, key, response_code))
            }
            WecomEvent::Menu { user, task_id, card_type, key } => {
                (user, "event", clicked("template_card_menu_event", task_id, card_type, key, response_code))
            }
            WecomEvent::Enter { user } => (user, "event", event("enter_agent")),
            WecomEvent::Subscribe { user } => (user, "event", event("subscribe")),
            WecomEvent::Text { user, content } => {
                (user, "text", format!("<Content><![CDATA[{content}]]></Content><MsgId>{nth}</MsgId>"))
            }
        };
        format!(
            "<xml><ToUserName><![CDATA[{corp_id}]]></ToUserName><FromUserName><![CDATA[{user}]]></FromUserName>\
             <CreateTime>{seconds}</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>{rest}<AgentID>{agent_id}</AgentID></xml>"
        )
    }
}

fn event(name: &str) -> String {
    format!("<Event><![CDATA[{name}]]></Event><EventKey><![CDATA[]]></EventKey>")
}

fn clicked(name: &str, task_id: &str, card_type: &str, key: &str, response_code: &str) -> String {
    format!(
        "<Event><![CDATA[{name}]]></Event><EventKey><![CDATA[{key}]]></EventKey><TaskId><![CDATA[{task_id}]]></TaskId>\
         <CardType><![CDATA[{card_type}]]></CardType><ResponseCode><![CDATA[{response_code}]]></ResponseCode>\
         <SelectedItems></SelectedItems>"
    )
}
