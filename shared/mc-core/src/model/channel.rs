//! Channels as they are configured and stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ports::Family;
use crate::time::Timestamp;

/// What platform a channel speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An app of one's own on WeCom.
    WecomApp,
    /// A robot in a WeCom group.
    WecomRobot,
    /// An app of one's own on DingTalk.
    DingtalkApp,
    /// A custom robot in a DingTalk group.
    DingtalkRobot,
    /// An app of one's own on Feishu.
    FeishuApp,
    /// A custom robot in a Feishu group.
    FeishuRobot,
    /// E-mail through Amazon SES.
    EmailSes,
    /// E-mail through an SMTP server.
    EmailSmtp,
    /// Template messages of a WeChat official account.
    WechatOfficial,
    /// Subscribe messages of a WeChat mini program.
    WechatMini,
    /// A channel in Slack.
    Slack,
    /// Any self-built IM with an HTTP API.
    Webhook,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 12] = [
        Kind::WecomApp,
        Kind::WecomRobot,
        Kind::DingtalkApp,
        Kind::DingtalkRobot,
        Kind::FeishuApp,
        Kind::FeishuRobot,
        Kind::EmailSes,
        Kind::EmailSmtp,
        Kind::WechatOfficial,
        Kind::WechatMini,
        Kind::Slack,
        Kind::Webhook,
    ];

    /// The words of all kinds, in the same order.
    pub const WORDS: [&'static str; Self::ALL.len()] = {
        let mut words = [""; Self::ALL.len()];
        let mut at = 0;
        while at < words.len() {
            words[at] = Self::ALL[at].as_str();
            at += 1;
        }
        words
    };

    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::WecomApp => "wecom_app",
            Kind::WecomRobot => "wecom_robot",
            Kind::DingtalkApp => "dingtalk_app",
            Kind::DingtalkRobot => "dingtalk_robot",
            Kind::FeishuApp => "feishu_app",
            Kind::FeishuRobot => "feishu_robot",
            Kind::EmailSes => "email_ses",
            Kind::EmailSmtp => "email_smtp",
            Kind::WechatOfficial => "wechat_official",
            Kind::WechatMini => "wechat_mini",
            Kind::Slack => "slack",
            Kind::Webhook => "webhook",
        }
    }

    /// The queue its messages wait in.
    pub const fn family(self) -> Family {
        match self {
            Kind::WecomApp | Kind::WecomRobot => Family::Wecom,
            Kind::DingtalkApp | Kind::DingtalkRobot => Family::Dingtalk,
            Kind::FeishuApp | Kind::FeishuRobot => Family::Feishu,
            Kind::EmailSes | Kind::EmailSmtp => Family::Email,
            Kind::WechatOfficial | Kind::WechatMini => Family::Wechat,
            Kind::Slack | Kind::Webhook => Family::Webhook,
        }
    }
}

/// What to do with a push whose outcome was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDoubt {
    /// Push again: better twice than never.
    #[default]
    Resend,
    /// Hold it as `in_doubt` until somebody retries: better never than twice.
    Hold,
}

/// Limits an operator sets below the platform's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Pushes in any minute, for each robot of the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Pushes in any second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// What the whole channel sends in a day, in the unit of its kind's quota: a day of China's calendar for the
    /// platforms there, any 24 hours elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// The same in a month of the calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_month: Option<u32>,
    /// How much of a day's and a month's quota `bulk` leaves for the others, in percent; 10 if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_for_high_percent: Option<u8>,
}

/// A channel as it is stored. Its secrets are sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChannelDoc {
    /// What platform it speaks.
    pub kind: Kind,
    /// The kind's settings, as the kind's own `config.rs` reads them.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// The kind's secrets, sealed. A value that was a list or an object is sealed as its JSON.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Scheme and host in place of the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The way out, sealed because it may hold credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// PEM of certificates to trust besides Mozilla's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca: Option<String>,
    /// Limits below the platform's own.
    #[serde(default)]
    pub limits: Limits,
    /// Alarm thresholds, kept as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Value>,
    /// What to do with a push whose outcome was lost.
    #[serde(default)]
    pub on_doubt: OnDoubt,
    /// Whether it may be sent through.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
