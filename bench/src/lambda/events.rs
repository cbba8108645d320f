//! The events that functions are called with.

use serde_json::{Value, json};

use super::aws::Queued;
use crate::sign::Signer;

/// What the API is called.
const HOST: &str = "abcde12345.execute-api.us-east-1.amazonaws.com";

/// A signed request, as API Gateway hands it over.
pub(super) fn request(signer: &mut Signer, method: &str, path: &str, body: Option<&Value>) -> Value {
    let body = body.map_or_else(String::new, Value::to_string);
    let mut signed = Vec::new();
    signer.write_headers(&mut signed, method, path, HOST, body.as_bytes());
    let mut headers = json!({
        "accept": "*/*",
        "content-type": "application/json",
        "host": HOST,
        "user-agent": "curl/8.5.0",
        "x-amzn-trace-id": "Root=1-6745a0b1-0a1b2c3d4e5f60718293a4b5",
        "x-forwarded-for": "192.0.2.10",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    });
    for line in String::from_utf8_lossy(&signed).lines() {
        if let Some((name, value)) = line.split_once(": ") {
            headers[name] = Value::from(value);
        }
    }
    json!({
        "version": "2.0",
        "routeKey": format!("{method} {path}"),
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcde12345",
            "domainName": HOST,
            "domainPrefix": "abcde12345",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.10", "userAgent": "curl/8.5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": format!("{method} {path}"),
            "stage": "$default",
            "time": "24/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1_795_514_400_000_u64,
        },
        "isBase64Encoded": false,
        "body": body,
    })
}

/// The line that API Gateway logs for a request, in the format of `template.yaml`.
pub(super) const ACCESS_LINE: &str = r#"{"id":"JKJaXmPLvHcESHA=","ip":"192.0.2.10","route":"POST /v1/messages","status":"202","ms":"25","error":"-"}"#;

/// A batch of a queue.
pub(super) fn batch(family: &str, messages: &[Queued]) -> Value {
    let record = |message: &Queued| {
        json!({
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1795514400000",
                "SenderId": "AROAEXAMPLE:ingest",
                "ApproximateFirstReceiveTimestamp": "1795514400020",
                "MessageGroupId": message.group,
            },
            "messageAttributes": {},
            "md5OfBody": "00000000000000000000000000000000",
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:123456789012:mc-{family}"),
            "awsRegion": "us-east-1",
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}

/// What EventBridge says every minute, and every five.
pub(super) fn tick() -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-24T10:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/mc"],
        "detail": {},
    })
}

/// What SES tells of a mail that nobody sent from here.
pub(super) fn mail_event() -> Value {
    json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Email Delivered",
        "source": "aws.ses",
        "account": "123456789012",
        "time": "2026-11-24T10:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "eventType": "Delivery",
            "mail": {"timestamp": "2026-11-24T10:00:00Z", "messageId": "0100019", "tags": {"ses:configuration-set": ["mc"]}},
            "delivery": {"timestamp": "2026-11-24T10:00:01Z", "recipients": ["a@example.com"]},
        },
    })
}
