//! What WeChat's official accounts and mini programs have in common: account, token, templates, callbacks.

pub(crate) mod account;
pub(crate) mod api;
mod callbacks;
pub(crate) mod check;
pub(crate) mod mapping;
pub(crate) mod quota;
pub(crate) mod render;
mod templates;
pub(crate) mod values;
