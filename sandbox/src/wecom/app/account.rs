//! What a registered app is like.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An app of a corporation that the sandbox knows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WecomApp {
    /// The app's secret.
    pub secret: String,
    /// The members in the app's visible range; `None` for everybody whose id has the right form.
    pub users: Option<Vec<String>>,
    /// Members in the visible range without a licence: they do not get messages, and the answer names them.
    pub unlicensed: Vec<String>,
    /// The departments in the visible range; `None` for all.
    pub departments: Option<Vec<u64>>,
    /// The tags in the visible range; `None` for all.
    pub tags: Option<Vec<u64>>,
    /// Whose mobile number is whose.
    pub mobiles: BTreeMap<String, String>,
    /// Every other number is somebody's, too, unless it ends with 0000.
    pub knows_numbers: bool,
    /// The addresses that may call (企业可信IP); with an empty list any may. Calls come from 127.0.0.1 here.
    pub trusted_ips: Vec<String>,
    /// The corporation's account limit, which times 200 is how many people the app may write to in a day; `None` for
    /// no limit.
    pub accounts: Option<u64>,
    /// More than 30 messages a minute to one member are refused with 45009, as people on the platform's forum say, and
    /// not dropped in silence, as the page says.
    pub says_member_limit: bool,
    /// Where the app is told of clicks, as its page names it. Without one there are no cards to click.
    pub callback: Option<WecomCallback>,
}

impl WecomApp {
    /// Whose number it is.
    pub(super) fn of_mobile(&self, mobile: &str) -> Option<String> {
        let any = || (self.knows_numbers && !mobile.ends_with("0000")).then(|| format!("user{mobile}"));
        self.mobiles.get(mobile).cloned().or_else(any)
    }
}

/// Where an app is told what happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WecomCallback {
    /// The address, `http://` only.
    pub url: String,
    /// The Token of the app's page.
    pub token: String,
    /// The EncodingAESKey of the app's page: 43 characters.
    pub encoding_aes_key: String,
}
