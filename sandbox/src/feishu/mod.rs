//! Feishu: custom robots in groups, and apps.

mod app;
mod card;
mod contact;
mod content;
mod control;
mod describe;
mod events;
mod media;
mod robot;
mod send;
mod status;

use axum::Router;
use axum::routing::{any, delete, get, post, put};

use self::app::Apps;
pub use self::app::FeishuApp;
pub use self::events::{FeishuEvent, FeishuPost};
pub use self::robot::FeishuRobot;
use self::robot::Robots;
use crate::options::RateLimit;
use crate::sandbox::Sandbox;

/// What robots and apps remember.
pub(crate) struct Feishu {
    robots: Robots,
    apps: Apps,
}

/// The platform's own paths and the control paths.
pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/open-apis/bot/v2/hook/{token}", any(robot::send))
        .route("/open-apis/auth/v3/tenant_access_token/internal", post(app::token))
        .route("/open-apis/bot/v3/info", get(app::bot))
        .route("/open-apis/contact/v3/users/batch_get_id", post(contact::batch_get_id))
        .route("/open-apis/im/v1/messages", post(send::single))
        .route("/open-apis/im/v1/messages/{id}", delete(status::recall))
        .route("/open-apis/im/v1/messages/{id}/read_users", get(status::readers))
        .route("/open-apis/im/v1/images", post(media::image))
        .route("/open-apis/im/v1/files", post(media::file))
        .route("/open-apis/message/v4/batch_send/", post(send::batch))
        .route("/open-apis/im/v1/batch_messages/{id}", delete(status::recall_batch))
        .route("/open-apis/im/v1/batch_messages/{id}/get_progress", get(status::progress))
        .route("/_feishu/robots/{token}", put(control::put_robot))
        .route("/_feishu/apps/{app_id}", put(control::put_app))
        .route("/_feishu/apps/{app_id}/expire", post(control::expire))
        .route("/_feishu/apps/{app_id}/events", post(control::tell))
}

impl Feishu {
    /// With `limit` the platform's own limits are kept, without there are none.
    pub(crate) fn new(limit: Option<RateLimit>) -> Feishu {
        Feishu { robots: Robots::new(limit.is_some()), apps: Apps::new(limit.is_some()) }
    }
}

impl Sandbox {
    /// Registers a Feishu robot. A hook that nobody registered fails with 19001.
    pub fn feishu_robot(&self, token: impl Into<String>, robot: FeishuRobot) {
        self.feishu().robots.register(token.into(), robot);
    }
}
