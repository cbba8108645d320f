//! What an app is told, and telling it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{DingtalkCallback, State};
use crate::post;
use crate::request::shown;
use crate::sandbox::Sandbox;
use crate::wxcipher::{WxCipher, signature};

/// Something that an app is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum DingtalkEvent {
    /// `check_url`: the address was just saved, and is tried.
    CheckUrl,
    /// Any other event.
    Other {
        /// Its `EventType`, such as `user_modify_org`.
        event_type: String,
        /// What else is in it.
        #[serde(default)]
        data: serde_json::Map<String, Value>,
    },
}

/// A callback as it is posted.
#[derive(Clone, Debug)]
pub struct DingtalkPost {
    /// Behind the address, without `?`.
    pub query: String,
    /// The body.
    pub body: String,
}

impl Sandbox {
    /// The callback of an event as the platform would post it now; `None` if the app has no callback.
    pub fn dingtalk_post(&self, app_key: &str, event: &DingtalkEvent) -> Option<DingtalkPost> {
        self.dingtalk_prepared(app_key, event).map(|(.., post)| post)
    }

    /// Posts an event to the app's callback address once; answers status and body, or what went wrong. An answer that is
    /// not `success`, encrypted and signed, is wrong.
    pub async fn dingtalk_tell(&self, app_key: &str, event: &DingtalkEvent) -> Result<(u16, String), String> {
        let prepared = self.dingtalk_prepared(app_key, event);
        let (callback, id, post) = prepared.ok_or("the app has no callback")?;
        let mark = if callback.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{mark}{}", callback.url, post.query);
        let (status, body) = post::post(&url, "application/json", post.body).await?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        if status == 200 && !callback.is_success(&id, &answer) {
            return Err(format!("the answer is not success, encrypted and signed: {body}"));
        }
        Ok((status, body))
    }

    /// Whether an answer to a callback is what the platform wants.
    pub fn dingtalk_is_success(&self, app_key: &str, answer: &Value) -> bool {
        let found = self.dingtalk_apps().with(app_key, |state| {
            let callback = state.app.callback.clone()?;
            Some((state.receive_key(&callback), callback))
        });
        found.flatten().is_some_and(|(id, callback)| callback.is_success(&id, answer))
    }

    fn dingtalk_prepared(
        &self,
        app_key: &str,
        event: &DingtalkEvent,
    ) -> Option<(DingtalkCallback, String, DingtalkPost)> {
        let now = self.now();
        let found = self.dingtalk_apps().with(app_key, |state| {
            let callback = state.app.callback.clone()?;
            Some((state.receive_key(&callback), callback, state.app.corp_id.clone(), state.next()))
        });
        let (id, callback, corp_id, nth) = found??;
        let message = match event {
            DingtalkEvent::CheckUrl => json!({"EventType": "check_url"}),
            DingtalkEvent::Other { event_type, data } => {
                let mut message = Value::Object(data.clone());
                message["EventType"] = event_type.as_str().into();
                message["CorpId"] = corp_id.into();
                message["TimeStamp"] = now.to_string().into();
                message["eventId"] = format!("{nth:0>32x}").into();
                message
            }
        };
        let post = callback.seal(&id, &message.to_string(), now, nth)?;
        Some((callback, id, post))
    }
}

impl State {
    /// What stands behind the message inside: the app key, or the CorpId where the address was registered by a call.
    fn receive_key(&self, callback: &DingtalkCallback) -> String {
        if callback.registered_by_call { self.app.corp_id.clone() } else { self.app_key.clone() }
    }
}

impl DingtalkCallback {
    fn seal(&self, id: &str, message: &str, now: u64, nth: u64) -> Option<DingtalkPost> {
        let (timestamp, nonce) = (now.to_string(), format!("nonce{nth:0>4}"));
        let mut random = [0; 16];
        random.copy_from_slice(format!("{nth:016x}").as_bytes());
        let encrypt = WxCipher::new(&self.aes_key, id)?.encrypt(&random, message);
        let signed = signature(&[&self.token, &timestamp, &nonce, &encrypt]);
        let query = match self.old_names {
            true => format!("msg_signature={signed}&timeStamp={timestamp}&nonce={nonce}"),
            false => format!("signature={signed}&timestamp={timestamp}&nonce={nonce}"),
        };
        Some(DingtalkPost { query, body: json!({"encrypt": encrypt}).to_string() })
    }

    fn is_success(&self, id: &str, answer: &Value) -> bool {
        let given = |name| shown(answer, name).unwrap_or_default();
        let (time, nonce, encrypt) = (given("timeStamp"), given("nonce"), given("encrypt"));
        let opened = WxCipher::new(&self.aes_key, id).and_then(|cipher| cipher.decrypt(&encrypt));
        given("msg_signature") == signature(&[&self.token, &time, &nonce, &encrypt])
            && opened.as_deref() == Some("success")
    }
}
