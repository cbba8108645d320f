//! What a registered account is like.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A WeChat official account or mini program that the sandbox knows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WechatAccount {
    /// Whether it is a mini program (`subscribe/send`) and not an official account (`template/send`).
    pub mini: bool,
    /// The AppSecret: 32 hexadecimal digits.
    pub secret: String,
    /// The templates of the account.
    pub templates: Vec<WechatTemplate>,
    /// The people who can be written to by openid; with an empty list, everybody whose openid has the right form.
    pub people: Vec<String>,
    /// How particular people stand to the account.
    pub standing: BTreeMap<String, WechatStanding>,
    /// Mini program only: how many messages each person has accepted, by openid and template id.
    pub accepts: BTreeMap<String, BTreeMap<String, u32>>,
    /// Mini program only: everybody has accepted everything, so that nobody needs [`accepts`](Self::accepts).
    pub accepts_all: bool,
    /// Mini programs that messages of an official account may open.
    pub mini_programs: Vec<String>,
    /// The addresses that may call; with an empty list any may. Calls come from 127.0.0.1 here.
    pub ip_whitelist: Vec<String>,
    /// Messages a day (UTC+8), or the platform's own number.
    pub daily_limit: Option<u64>,
    /// Messages a minute. The platform has such a limit and does not say the number.
    pub per_minute: Option<usize>,
    /// Where to tell what became of messages, as the account's page names it.
    pub callback: Option<WechatCallback>,
}

/// A template of an account.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WechatTemplate {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its lines, such as `订单号:{{character_string1.DATA}}`.
    pub content: String,
    /// The values that `const` and enum keywords may have.
    pub values: BTreeMap<String, Vec<String>>,
    /// Mini program only: one accept lasts for ever.
    pub long_term: bool,
    /// Whether WeChat has banned it.
    pub banned: bool,
}

/// How somebody stands to an account, other than as a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WechatStanding {
    /// Does not follow (any more).
    Unfollowed,
    /// Was put on the account's blacklist.
    Blacklisted,
    /// Is limited by WeChat.
    Limited,
    /// Refuses messages: they are accepted and then told as `failed:user block`.
    Blocks,
    /// Messages are accepted and then told as `failed: system failed`.
    Unreachable,
}

/// Where an account tells what happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WechatCallback {
    /// The address, `http://` only.
    pub url: String,
    /// The Token of the account's page.
    pub token: String,
    /// The EncodingAESKey of the account's page: 43 characters. With it the messages are encrypted (secure mode).
    pub encoding_aes_key: Option<String>,
    /// Mini program only: the body is JSON and not XML.
    pub json: bool,
    /// Whether the fate of every accepted message is told by itself.
    pub tells: bool,
}

impl WechatTemplate {
    /// The keywords of its lines, in order: what stands in `{{…DATA}}`.
    pub(super) fn keywords(&self) -> Vec<&str> {
        let pieces = self.content.split("{{").skip(1);
        pieces.filter_map(|piece| piece.split_once(".DATA}}")).map(|(keyword, _)| keyword.trim()).collect()
    }
}
