//! The sandbox against the rules of the platforms' pages.

mod control;
mod dingtalk;
mod dingtalk_app;
mod faults;
mod feishu;
mod feishu_app;
mod hook_and_im;
mod ses;
mod slack;
mod smtp;
mod smtp_rules;
mod support;
mod wechat;
mod wecom;
mod wecom_app;
