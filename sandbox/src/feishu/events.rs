//! What apps are told, and telling it.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::{AppState, FeishuApp};
use crate::post::{self, Answer};
use crate::sandbox::Sandbox;

/// The cipher's block, and the length of its vector.
const BLOCK: usize = 16;

/// Something that happened to an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum FeishuEvent {
    /// The address was just filled in, and is tried.
    Challenge,
    /// Somebody read a message in a private chat.
    Read {
        /// Which message.
        message_id: String,
        /// Who.
        open_id: String,
    },
    /// A message was taken back.
    Recalled {
        /// Which message.
        message_id: String,
    },
    /// Somebody pressed a button of a card.
    Click {
        /// On which message.
        message_id: String,
        /// Who.
        open_id: String,
        /// What the button carries.
        value: Value,
    },
}

/// An event as it is posted.
#[derive(Clone, Debug)]
pub struct FeishuPost {
    /// Headers besides the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body, JSON.
    pub body: String,
}

impl Sandbox {
    /// An event as the platform would post it now; `None` if there is no such app.
    pub fn feishu_post(&self, app_id: &str, event: &FeishuEvent) -> Option<FeishuPost> {
        let now = self.now();
        self.feishu().apps.with(app_id, |state| state.post(event, now))
    }

    /// Posts an event to the app's callback address once; answers status and body, or what went wrong.
    pub async fn feishu_tell(&self, app_id: &str, event: &FeishuEvent) -> Result<Answer, String> {
        let url = self.feishu().apps.with(app_id, |state| state.app.callback.clone()).flatten();
        let url = url.ok_or("the app has no callback")?;
        let post = self.feishu_post(app_id, event).ok_or("there is no such app")?;
        let mut headers = vec![("content-type", "application/json; charset=utf-8")];
        headers.extend(post.headers.iter().map(|(name, value)| (*name, value.as_str())));
        post::post_with(&url, &headers, post.body).await
    }

    /// Notes that somebody has read a message, for those who ask.
    pub fn feishu_read(&self, app_id: &str, message_id: &str, open_id: &str) {
        let now = self.now();
        self.feishu().apps.with(app_id, |state| state.note_read(message_id, open_id, now));
    }
}

impl AppState {
    fn note_read(&mut self, message_id: &str, open_id: &str, now: u64) {
        if let Some(sent) = self.messages.get_mut(message_id)
            && sent.read.iter().all(|(user, _)| user != open_id)
        {
            sent.read.push((open_id.to_owned(), now));
        }
    }

    fn post(&mut self, event: &FeishuEvent, now: u64) -> FeishuPost {
        self.sent += 1;
        if let FeishuEvent::Read { message_id, open_id } = event {
            self.note_read(message_id, open_id, now);
        }
        let chat = |id: &str| self.messages.get(id).map_or_else(String::new, |sent| sent.chat.clone());
        let (kind, body) = match event {
            FeishuEvent::Challenge => {
                let challenge = format!("challenge-{}", self.sent);
                let body = json!({"challenge": challenge, "token": self.app.verification_token, "type": "url_verification"});
                return self.app.wrap(&body, now, self.sent, false);
            }
            FeishuEvent::Read { message_id, open_id } => {
                let reader = json!({"reader_id": {"open_id": open_id}, "read_time": now.to_string(), "tenant_key": "sandbox"});
                ("im.message.message_read_v1", json!({"reader": reader, "message_id_list": [message_id]}))
            }
            FeishuEvent::Recalled { message_id } => (
                "im.message.recalled_v1",
                json!({"message_id": message_id, "chat_id": chat(message_id),
                    "recall_time": now.to_string(), "recall_type": "message_owner"}),
            ),
            FeishuEvent::Click { message_id, open_id, value } => (
                "card.action.trigger",
                json!({
                    "operator": {"tenant_key": "sandbox", "open_id": open_id},
                    "token": format!("c-{:0>32x}", self.sent),
                    "action": {"value": value, "tag": "button", "timezone": "Asia/Shanghai"},
                    "host": "im_message",
                    "context": {"open_message_id": message_id, "open_chat_id": chat(message_id)},
                }),
            ),
        };
        let header = json!({
            "event_id": format!("{:0>32x}", self.sent), "event_type": kind, "create_time": now.to_string(),
            "token": self.app.verification_token, "app_id": self.app_id, "tenant_key": "sandbox",
        });
        self.app.wrap(&json!({"schema": "2.0", "header": header, "event": body}), now, self.sent, true)
    }
}

impl FeishuApp {
    /// Encrypts and signs, if the app has an Encrypt Key.
    fn wrap(&self, event: &Value, now: u64, nth: u64, signed: bool) -> FeishuPost {
        let text = event.to_string();
        let Some(key) = &self.encrypt_key else { return FeishuPost { headers: Vec::new(), body: text } };
        let mut iv = [0; BLOCK];
        iv[BLOCK - 8..].copy_from_slice(&nth.to_be_bytes());
        let body = json!({"encrypt": seal(key, iv, &text)}).to_string();
        if !signed {
            return FeishuPost { headers: Vec::new(), body };
        }
        let (time, nonce) = ((now / 1_000).to_string(), format!("{nth:0>8x}"));
        let signature = sign(&time, &nonce, key, &body);
        let headers = vec![
            ("x-lark-request-timestamp", time),
            ("x-lark-request-nonce", nonce),
            ("x-lark-signature", signature),
        ];
        FeishuPost { headers, body }
    }
}

/// Base64 of the vector and the encrypted text; the key is hashed before it is used.
fn seal(key: &str, iv: [u8; BLOCK], text: &str) -> String {
    let key = digest::digest(&digest::SHA256, key.as_bytes());
    let mut buffer = text.as_bytes().to_vec();
    buffer.resize(text.len() + BLOCK, 0);
    let sealed = cbc::Encryptor::<Aes256>::new_from_slices(key.as_ref(), &iv)
        .ok()
        .and_then(|cipher| cipher.encrypt_padded::<Pkcs7>(&mut buffer, text.len()).ok().map(<[u8]>::to_vec));
    STANDARD.encode([&iv[..], &sealed.unwrap_or_default()].concat())
}

fn sign(time: &str, nonce: &str, key: &str, body: &str) -> String {
    let hash = digest::digest(&digest::SHA256, [time, nonce, key, body].concat().as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_pages() {
        let text = r#"{"challenge":"ajls384kdjxxxx","token":"xxxxxx","type":"url_verification"}"#;
        let iv: [u8; BLOCK] = std::array::from_fn(|at| u8::try_from(at).unwrap_or_default());
        let sealed = seal("test key", iv, text);
        assert_eq!(
            sealed,
            "AAECAwQFBgcICQoLDA0ODw9mLTIAZS9jAmGTQ1wAhHp7T0KSqa6xlIO2zHinxKSs1K4/7o0J6jqt9tlbOFlHae7/cvXLvNi4ZpCEt5KzcrL1tjJXRzgeOikjXBgef8ne"
        );
        let body = format!("{{\"encrypt\":\"{sealed}\"}}");
        assert_eq!(
            sign("1608725989", "3b9ac9ff", "test key", &body),
            "4fce578bd10ee34a1c71e5b3d0638f12e1d420ad6e2f508ad774901efc552c0b"
        );
    }
}
