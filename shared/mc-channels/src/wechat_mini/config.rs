//! Settings and secrets of a WeChat mini program.

use mc_content::{FieldError, Snippet};
use serde::Deserialize;

use crate::fields::Fields;
use crate::registry::{Ports, Setup};
use crate::wechat::account::{Account, snippet};
use crate::wechat::values::Table;

pub(super) struct Config {
    pub(super) account: Account,
    /// The page a click opens.
    pub(super) page: Option<Snippet>,
    pub(super) state: Option<MiniState>,
    pub(super) lang: Option<Lang>,
}

/// Which build of the mini program a click opens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MiniState {
    Developer,
    Trial,
    Formal,
}

impl MiniState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            MiniState::Developer => "developer",
            MiniState::Trial => "trial",
            MiniState::Formal => "formal",
        }
    }
}

/// In which language WeChat writes around the message.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum Lang {
    #[serde(rename = "zh_CN")]
    ZhCn,
    #[serde(rename = "en_US")]
    EnUs,
    #[serde(rename = "zh_HK")]
    ZhHk,
    #[serde(rename = "zh_TW")]
    ZhTw,
}

impl Lang {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Lang::ZhCn => "zh_CN",
            Lang::EnUs => "en_US",
            Lang::ZhHk => "zh_HK",
            Lang::ZhTw => "zh_TW",
        }
    }
}

pub(super) fn read(setup: &Setup<'_>, ports: &Ports) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let mut problems = Vec::new();
    let account = Account::read(Table::Mini, setup, ports, &mut fields, &mut problems);
    let page = snippet(&mut fields, "page");
    if fields.text("page").is_some_and(|page| page.trim().starts_with('/') || page.contains("://")) {
        let detail =
            "is a page of the mini program, like pages/order?no={{ data.no }}, without a slash in front";
        fields.problem("page", detail);
    }
    let state = fields.optional("miniprogram_state");
    let lang = fields.optional("lang");
    let mut all = fields.finish();
    all.extend(problems);
    if all.is_empty() { Ok(Config { account, page, state, lang }) } else { Err(all) }
}
