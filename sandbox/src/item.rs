//! One message as the inbox keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

/// The fake platform a message was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// The WeCom group robot.
    Wecom,
    /// Apps of WeCom.
    WecomApp,
    /// The DingTalk custom robot.
    Dingtalk,
    /// Work notifications of a DingTalk app.
    DingtalkApp,
    /// The Feishu custom robot.
    Feishu,
    /// A Feishu app.
    FeishuApp,
    /// A self-built IM.
    Im,
    /// A receiver of result webhooks.
    Hook,
    /// The SMTP listener.
    Smtp,
    /// Template messages of a WeChat official account.
    Wechat,
    /// Subscribe messages of a WeChat mini program.
    WechatMini,
    /// Slack's webhooks and `chat.postMessage`.
    Slack,
    /// Amazon SES.
    Ses,
}

/// A message that reached the sandbox, accepted or refused.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// Counts up from 1 and is never reused.
    pub n: u64,
    /// When it arrived, in Unix milliseconds; RFC 3339 in JSON.
    #[serde(serialize_with = "as_rfc3339")]
    pub at: u64,
    /// Where it arrived.
    pub platform: Platform,
    /// The robot, path, receiver or account; keys are masked to their last four characters.
    pub target: String,
    /// The platform's message type, such as `markdown`; `mail` for SMTP.
    pub kind: String,
    /// Title or subject, if the message has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What a reader would see, as plainly as the type allows.
    pub text: String,
    /// The people addressed: mentions on a robot, the envelope's recipients for mail.
    pub to: Vec<String>,
    /// Whether the platform took it.
    pub accepted: bool,
    /// Zero, or the platform's own code: `errcode`, HTTP status or SMTP reply code.
    pub errcode: i64,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errmsg: Option<String>,
    /// The body as it arrived, for SES the mail within it; bytes that are not UTF-8 are replaced.
    pub raw: String,
    /// Request or mail headers with lower-case names; credentials are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Whether the signature held, where a secret is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// What only a mail has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
}

/// The parts of a mail that other messages do not have.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Mail {
    /// The envelope's sender (`MAIL FROM`).
    pub sender: String,
    /// The address in the `From` header.
    pub from: String,
    /// The addresses in the `To` header.
    pub to: Vec<String>,
    /// The HTML body, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The attached files.
    pub attachments: Vec<Attachment>,
}

/// An attached file, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// The file name shown to the reader.
    pub name: String,
    /// The decoded size in bytes.
    pub size: usize,
}

impl Item {
    /// An item that nobody has judged or numbered yet.
    pub(crate) fn draft(platform: Platform, target: String, raw: &[u8]) -> Item {
        Item {
            n: 0,
            at: 0,
            platform,
            target,
            kind: String::new(),
            title: None,
            text: String::new(),
            to: Vec::new(),
            accepted: false,
            errcode: 0,
            errmsg: None,
            raw: String::from_utf8_lossy(raw).into_owned(),
            headers: None,
            verified: None,
            mail: None,
        }
    }

    /// Whether `needle` occurs anywhere a reader or a fault would look for it.
    pub(crate) fn mentions(&self, needle: &str) -> bool {
        self.text.contains(needle)
            || self.title.as_deref().is_some_and(|title| title.contains(needle))
            || self.raw.contains(needle)
    }
}

fn as_rfc3339<S: Serializer>(unix_ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let timestamp = i64::try_from(*unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    serializer.collect_str(&timestamp.unwrap_or(jiff::Timestamp::MAX))
}
