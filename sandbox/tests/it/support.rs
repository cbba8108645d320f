//! A sandbox with a clock to turn by hand, and ways to talk to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, to_bytes};
use http::{Request, Response, StatusCode};
use mc_sandbox::{Sandbox, SandboxOptions};
use serde_json::Value;
use tower::ServiceExt;

pub const NOW: u64 = 1_700_000_000_000;
pub const KEY: &str = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa";

pub struct Fake {
    pub sandbox: Sandbox,
    clock: Arc<AtomicU64>,
}

pub fn fake() -> Fake {
    fake_with(|_| {})
}

pub fn fake_with(change: impl FnOnce(&mut SandboxOptions)) -> Fake {
    let clock = Arc::new(AtomicU64::new(NOW));
    let hand = Arc::clone(&clock);
    let mut options = SandboxOptions::new(Arc::new(move || hand.load(Ordering::SeqCst)));
    change(&mut options);
    Fake { sandbox: Sandbox::new(options), clock }
}

impl Fake {
    pub fn advance(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub async fn call(&self, request: Request<Body>) -> Response<Body> {
        self.sandbox.router().oneshot(request).await.expect("the router never fails")
    }

    pub async fn send(&self, method: &str, uri: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
        read(self.call(request.body(body.into()).expect("a request")).await).await
    }

    /// Posts to the WeCom robot and returns the errcode; the status must be 200 whatever happens.
    pub async fn wecom(&self, body: impl Into<Body>) -> i64 {
        let uri = format!("/cgi-bin/webhook/send?key={KEY}");
        self.errcode(&uri, body).await
    }

    pub async fn errcode(&self, uri: &str, body: impl Into<Body>) -> i64 {
        let (status, answer) = self.send("POST", uri, body).await;
        assert_eq!(status, StatusCode::OK, "platforms answer 200 and mean something else");
        answer["errcode"].as_i64().expect("an errcode")
    }
}

pub async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}
