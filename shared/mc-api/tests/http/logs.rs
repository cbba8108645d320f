//! Nothing that is logged holds a secret, whatever goes wrong.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use std::sync::atomic::Ordering;

use serde_json::json;

use crate::app::{App, As, SECRET};

thread_local! {
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what is logged on a test's own thread.
struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Begins to keep everything, once for all tests.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let level = tracing::Level::TRACE;
        tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(|| Kept).init();
    });
}

/// What this test logged so far.
pub fn logged() -> String {
    LOGGED.with_borrow(|logged| String::from_utf8_lossy(logged).into_owned())
}

#[tokio::test]
async fn secrets_are_not_logged() {
    let app = App::new().await;
    let root = app.root().await;
    let hook = json!({
        "kind": "webhook",
        "settings": {"url": "https://im.example.com/send", "sign": {"type": "standard"}},
        "secrets": {"secret": "hunter2-hunter2"},
    });
    app.put("/v1/channels/bad", hook).await;
    let robot =
        json!({"kind": "wecom_robot", "secrets": {"key": "hunter2-5a1db0c5-0000-4000-8000-000000000001"}});
    app.put("/v1/channels/ops", robot).await.is(201);
    let operator = json!({"password": "hunter2 hunter2", "roles": {"default": "viewer"}});
    app.call("PUT", "/v1/operators/zhang").by(&root).json(operator).send().await.is(201);
    for password in ["hunter2 wrong", "hunter2 hunter2"] {
        let login = json!({"username": "zhang", "password": password});
        app.call("POST", "/v1/session").by(&As::Nobody).json(login).send().await;
    }
    let As::Key { id, .. } = app.admin.clone() else { unreachable!() };
    let wrong = As::Key { id, secret: "hunter2 wrong".to_owned() };
    app.call("GET", "/v1/messages").by(&wrong).send().await.is(401);
    app.platform.status.store(500, Ordering::SeqCst);
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["ops"]}});
    app.post("/v1/messages", message).await.is(202);
    app.deliver().await;
    app.call("POST", "/v1/channels/ops/check").send().await.is(200);
    app.close().await;
    app.put("/v1/templates/t", json!({"body": "x"})).await.is(503);
    let logged = logged();
    assert!(logged.contains("a request failed") && logged.contains("answered"), "{logged}");
    assert!(!logged.contains(SECRET), "{logged}");
}
