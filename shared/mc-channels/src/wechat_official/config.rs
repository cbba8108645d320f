//! Settings and secrets of a WeChat official account.

use mc_content::{FieldError, Snippet};
use serde::Deserialize;

use crate::fields::Fields;
use crate::registry::{Ports, Setup};
use crate::wechat::account::{Account, compile, snippet};
use crate::wechat::values::Table;

pub(super) struct Config {
    pub(super) account: Account,
    /// The page a click opens when the message names none.
    pub(super) url: Option<Snippet>,
    pub(super) mini_program: Option<MiniProgram>,
}

/// A mini program that a click opens; it goes before the page.
pub(super) struct MiniProgram {
    pub(super) app_id: String,
    pub(super) page_path: Option<Snippet>,
}

pub(super) fn read(setup: &Setup<'_>, ports: &Ports) -> Result<Config, Vec<FieldError>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        appid: String,
        #[serde(default)]
        pagepath: String,
    }
    let mut fields = Fields::new("/settings", setup.settings);
    let mut problems = Vec::new();
    let account = Account::read(Table::Official, setup, ports, &mut fields, &mut problems);
    let url = snippet(&mut fields, "url");
    let is_page = |url: &str| ["https://", "http://"].iter().any(|scheme| url.trim().starts_with(scheme));
    if url.is_some() && !fields.text("url").is_some_and(is_page) {
        fields.problem("url", "is a web page: it begins with https:// or http://");
    }
    let mini_program = fields.optional::<Given>("miniprogram").map(|given| {
        if given.appid.is_empty() || !given.appid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            fields
                .problem("miniprogram/appid", "is the AppID of a mini program that is bound to the account");
        }
        let page_path = compile(&mut fields, "miniprogram/pagepath", &given.pagepath);
        MiniProgram { app_id: given.appid, page_path }
    });
    let mut all = fields.finish();
    all.extend(problems);
    if all.is_empty() { Ok(Config { account, url, mini_program }) } else { Err(all) }
}
