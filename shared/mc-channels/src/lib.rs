//! The channels, one folder per kind, their registry and the guarded HTTP client.
//!
//! A kind is a folder with fixed file names: `config.rs` reads settings and secrets, `render.rs` writes a content in
//! the platform's form, `api.rs` makes the call and holds the platform's error table, `mod.rs` ties them together.
//! [`registry`] is the only place that knows all kinds.
#![deny(missing_docs)]

pub mod http;
pub mod neutral;
pub mod registry;

mod dingtalk;
mod feishu;
mod fields;
mod lookup;
mod mail;
mod mask;
mod outcome;
mod overrides;
mod reach;
mod robot;
#[cfg(test)]
mod testing;
mod token;
mod tunnel;
mod upload;
mod wecom;
mod wxcrypt;
mod xml;

mod dingtalk_app;
mod dingtalk_robot;
mod email_ses;
mod email_smtp;
mod feishu_app;
mod feishu_robot;
mod slack;
mod webhook;
mod wechat;
mod wechat_mini;
mod wechat_official;
mod wecom_app;
mod wecom_robot;

pub use email_ses::{SesEvent, read_ses_event};
pub use mc_content::FieldError;
pub use registry::{
    Ports, Setup, admit, build, capability, review, secret_names, secret_settings, url_fields,
};
pub use webhook::is_secretive;
