//! Faults over HTTP.

use http::{Request, StatusCode, header};
use mc_sandbox::{Fault, Platform, RetryAfter};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Fake, KEY, fake};

const TEXT: &str = r#"{"msgtype":"text","text":{"content":"hello"}}"#;

#[tokio::test]
async fn they_happen_in_order_and_pass() {
    let fake = fake();
    let list = json!([
        {"platform": "wecom", "times": 2, "skip": 1, "errcode": -1},
        {"platform": "wecom", "errcode": 45009},
        {"platform": "dingtalk", "errcode": 90030}
    ]);
    let (status, _) = fake.send("PUT", "/_faults", list.to_string()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(fake.wecom(TEXT).await);
    }
    assert_eq!(codes, [0, -1, -1, 45009, 0]);
    let (_, left) = fake.send("GET", "/_faults", "").await;
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    assert_eq!((&left[0]["platform"], &left[0]["times"]), (&json!("dingtalk"), &json!(1)));
    fake.send("DELETE", "/_faults", "").await;
    assert!(fake.sandbox.pending_faults().is_empty());
    let refused: Vec<_> = fake.sandbox.inbox().iter().map(|item| item.errcode).collect();
    assert_eq!(refused, [0, -1, -1, 45009, 0], "refused messages are in the inbox, too");
}

#[tokio::test]
async fn a_listed_fault_can_be_put_back() {
    let fake = fake();
    let mut fault = Fault::on(Platform::Im);
    fault.retry_after = Some(RetryAfter::Seconds(7));
    fake.sandbox.push_fault(fault);
    let (_, list) = fake.send("GET", "/_faults", "").await;
    assert_eq!(fake.send("PUT", "/_faults", list.to_string()).await.0, StatusCode::NO_CONTENT);
    assert_eq!(fake.sandbox.pending_faults().len(), 1);
    let typo = json!([{"platform": "im", "time": 2}]).to_string();
    assert_eq!(fake.send("PUT", "/_faults", typo).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn status_body_type_and_retry_after() {
    let fake = fake();
    let list = json!([
        {"platform": "im", "retry_after": 30},
        {"platform": "im", "status": 503, "body": "<html>busy</html>", "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"},
        {"platform": "im", "body": {"status": 1111, "wait": 5}, "content_type": "text/json"}
    ]);
    fake.send("PUT", "/_faults", list.to_string()).await;
    let call = async || {
        let request = Request::post("/im/x").body(axum::body::Body::from("{}")).expect("a request");
        let response = fake.call(request).await;
        let field = |name: header::HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        (response.status().as_u16(), field(header::RETRY_AFTER), field(header::CONTENT_TYPE))
    };
    assert_eq!(call().await, (429, "30".to_owned(), "text/plain".to_owned()));
    let date = "Wed, 21 Oct 2026 07:28:00 GMT".to_owned();
    assert_eq!(call().await, (503, date, "text/html; charset=utf-8".to_owned()));
    assert_eq!(call().await, (200, String::new(), "text/json".to_owned()));
}

#[tokio::test]
async fn a_fault_can_wait_for_a_text() {
    let fake = fake();
    let mut fault = Fault::on(Platform::Wecom);
    fault.errcode = Some(-1);
    fault.match_text = Some("boom".to_owned());
    fake.sandbox.push_fault(fault);
    assert_eq!(fake.wecom(TEXT).await, 0);
    assert_eq!(fake.wecom(TEXT.replace("hello", "boom")).await, -1);
}

#[tokio::test]
async fn cut_stores_and_drop_does_not() {
    let fake = fake();
    let address = serve(&fake).await;
    for (cut, stored) in [(true, 1), (false, 1)] {
        let mut fault = Fault::on(Platform::Wecom);
        (fault.cut, fault.drop) = (cut, !cut);
        fake.sandbox.push_fault(fault);
        assert_eq!(post(&address).await, "", "not a byte of an answer");
        assert_eq!(fake.sandbox.accepted(Platform::Wecom).len(), stored);
    }
    assert!(post(&address).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_slow_answer_is_stored_before_it_is_given() {
    let fake = fake();
    let mut fault = Fault::on(Platform::Wecom);
    fault.delay_ms = 3_600_000;
    fake.sandbox.push_fault(fault);
    let stored = fake.sandbox.wait_for(|items| !items.is_empty());
    tokio::select! {
        _ = fake.wecom(TEXT) => panic!("the answer takes an hour"),
        items = stored => assert!(items.first().is_some_and(|item| item.accepted)),
    }
}

async fn serve(fake: &Fake) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let router = fake.sandbox.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn post(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "POST /cgi-bin/webhook/send?key={KEY} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{TEXT}",
        TEXT.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the connection ends in good order");
    answer
}
