//! What a registered app is like.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An app of an organisation that the sandbox knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DingtalkApp {
    /// The AppSecret.
    pub app_secret: String,
    /// The AgentId.
    pub agent_id: u64,
    /// The organisation's CorpId.
    pub corp_id: String,
    /// The people in the app's range; `None` for everybody whose id has no `unknown` in it.
    pub users: Option<Vec<String>>,
    /// How many people the departments in the app's range have; any other number is no department.
    pub departments: BTreeMap<u64, usize>,
    /// Whose mobile number is whose.
    pub mobiles: BTreeMap<String, String>,
    /// Every other number is somebody's, too, unless it ends with 0000.
    pub knows_numbers: bool,
    /// Whether the app may look people up (通讯录权限).
    pub contacts: bool,
    /// Addresses that may call (服务器出口IP); with an empty list any may. Calls come from 127.0.0.1 here.
    pub ips: Vec<String>,
    /// After so many milliseconds everybody has read what they got; `None` for nobody without being told to.
    pub reads_after: Option<u64>,
    /// Where the app is told of events.
    pub callback: Option<DingtalkCallback>,
}

/// Where an app is told what happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DingtalkCallback {
    /// The address, `http://` only.
    pub url: String,
    /// The token (签名 token).
    pub token: String,
    /// The aes_key: 43 characters.
    pub aes_key: String,
    /// Registered by a call and not on the app's page: the organisation's CorpId and not the app key stands inside.
    pub registered_by_call: bool,
    /// The older spelling of the query: `msg_signature`, `timeStamp`.
    pub old_names: bool,
}

impl Default for DingtalkApp {
    fn default() -> DingtalkApp {
        DingtalkApp {
            app_secret: String::new(),
            agent_id: 0,
            corp_id: String::new(),
            users: None,
            departments: BTreeMap::new(),
            mobiles: BTreeMap::new(),
            knows_numbers: false,
            contacts: true,
            ips: Vec::new(),
            reads_after: None,
            callback: None,
        }
    }
}

impl DingtalkApp {
    /// Whose number it is.
    pub(super) fn of_mobile(&self, mobile: &str) -> Option<String> {
        let any = || (self.knows_numbers && !mobile.ends_with("0000")).then(|| format!("user{mobile}"));
        self.mobiles.get(mobile).cloned().or_else(any)
    }
}
