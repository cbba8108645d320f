//! DingTalk: custom robots in groups, and the work notifications of apps.

mod app;
mod describe;
mod robot;
mod rules;

pub(crate) use self::app::Apps;
pub(crate) use self::app::routes as app_routes;
pub use self::app::{DingtalkApp, DingtalkCallback, DingtalkEvent, DingtalkPost};
pub(crate) use self::robot::{Dingtalk, send};
