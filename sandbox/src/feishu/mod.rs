//! Feishu: custom robots in groups.

mod card;
mod content;
mod control;
mod describe;
mod robot;

use axum::Router;
use axum::routing::{any, put};

pub use self::robot::FeishuRobot;
use self::robot::Robots;
use crate::options::RateLimit;
use crate::sandbox::Sandbox;

/// What robots remember.
pub(crate) struct Feishu {
    robots: Robots,
}

/// The platform's own paths and the control paths.
pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/open-apis/bot/v2/hook/{token}", any(robot::send))
        .route("/_feishu/robots/{token}", put(control::put_robot))
}

impl Feishu {
    /// With `limit` the platform's own limits are kept, without there are none.
    pub(crate) fn new(limit: Option<RateLimit>) -> Feishu {
        Feishu { robots: Robots::new(limit.is_some()) }
    }
}

impl Sandbox {
    /// Registers a Feishu robot. A hook that nobody registered fails with 19001.
    pub fn feishu_robot(&self, token: impl Into<String>, robot: FeishuRobot) {
        self.feishu().robots.register(token.into(), robot);
    }
}
