//! Amazon SES. Calls are signed by a signer of the tests' own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use mc_sandbox::{Platform, SesAccount, SesTopic};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use ring::{digest, hmac};
use serde_json::{Value, json};

use crate::support::{Fake, fake, fake_with, read};

const KEY_ID: &str = "AKIDSANDBOX000000001";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SEND: &str = "/v2/email/outbound-emails";
/// When the sandbox's clock begins, as it is signed.
const DATE: &str = "20231114T221320Z";

fn account() -> SesAccount {
    SesAccount {
        secret_access_key: SECRET.to_owned(),
        identities: vec!["example.com".to_owned()],
        configuration_sets: vec!["events".to_owned()],
        suppressed: vec!["gone@example.net".to_owned()],
        ..SesAccount::default()
    }
}

fn topic() -> SesTopic {
    SesTopic {
        arn: "arn:aws:sns:eu-west-1:123456789012:mail".to_owned(),
        confirmed: true,
        ..SesTopic::default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Signs as AWS's page on Signature Version 4 says.
fn signature(method: &str, path: &str, body: &str, secret: &str) -> String {
    let headers = format!("host:email.eu-west-1.amazonaws.com\nx-amz-date:{DATE}\n\nhost;x-amz-date");
    let canonical = format!("{method}\n{path}\n\n{headers}\n{}", hash(body.as_bytes()));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{DATE}\n20231114/eu-west-1/ses/aws4_request\n{}",
        hash(canonical.as_bytes())
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in ["20231114", "eu-west-1", "ses", "aws4_request", &to_sign] {
        let hmac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes());
        key = hmac.as_ref().to_vec();
    }
    hex(&key)
}

/// Makes a call; answers status, exception and body.
async fn call(
    fake: &Fake,
    method: &str,
    path: &str,
    body: &str,
    secret: &str,
) -> (StatusCode, String, Value) {
    let signature = signature(method, path, body, secret);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/20231114/eu-west-1/ses/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    let request = Request::builder().method(method).uri(path).header("authorization", authorization);
    let request = request.header("host", "email.eu-west-1.amazonaws.com").header("x-amz-date", DATE);
    let response = fake.call(request.body(body.to_owned().into()).expect("a request")).await;
    let exception = response.headers().get("x-amzn-errortype").map(|value| value.to_str().expect("text"));
    let exception = exception.map_or("", |value| value.split(':').next().unwrap_or_default()).to_owned();
    let (status, body) = read(response).await;
    (status, exception, body)
}

async fn send(fake: &Fake, request: &Value) -> (u16, String) {
    let (status, exception, _) = call(fake, "POST", SEND, &request.to_string(), SECRET).await;
    (status.as_u16(), exception)
}

fn raw(from: &str, to: &[&str], mime: &str) -> Value {
    json!({
        "FromEmailAddress": from,
        "Destination": {"ToAddresses": to},
        "Content": {"Raw": {"Data": STANDARD.encode(mime)}},
        "ConfigurationSetName": "events",
        "EmailTags": [{"Name": "mc-push", "Value": "p-1"}],
    })
}

fn mime(body: &str) -> String {
    format!("From: Alerts <alerts@example.com>\r\nTo: ann@example.net\r\nSubject: Hello\r\n\r\n{body}\r\n")
}

fn mail_to(to: &[&str]) -> Value {
    raw("alerts@example.com", to, &mime("body"))
}

#[tokio::test]
async fn a_signed_mail_is_taken_and_shown() {
    let fake = fake();
    fake.sandbox.ses_account(KEY_ID, account());
    let request = mail_to(&["Ann <ann@example.net>"]);
    let (status, _, body) = call(&fake, "POST", SEND, &request.to_string(), SECRET).await;
    assert!(status == 200 && body["MessageId"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
    let items = fake.sandbox.accepted(Platform::Ses);
    assert_eq!((items[0].title.as_deref(), items[0].text.as_str()), (Some("Hello"), "body"));
    assert_eq!(
        (&items[0].to[..], items[0].target.as_str()),
        (&["ann@example.net".to_owned()][..], "****0001")
    );
    assert_eq!(items[0].raw, mime("body"));
    // Without a destination the mail's own header says who it goes to.
    let mut request = mail_to(&[]);
    request["Destination"] = Value::Null;
    assert_eq!(send(&fake, &request).await.0, 200);
    assert_eq!(fake.sandbox.accepted(Platform::Ses)[1].to, ["ann@example.net"]);
}

#[tokio::test]
async fn signatures_are_checked() {
    let fake = fake();
    fake.sandbox.ses_account(KEY_ID, account());
    let request = mail_to(&["ann@example.net"]).to_string();
    let (status, exception, _) = call(&fake, "POST", SEND, &request, "another secret").await;
    assert_eq!((status.as_u16(), exception.as_str()), (403, "SignatureDoesNotMatch"));
    let unsigned = Request::post(SEND).body(request.clone().into()).expect("a request");
    let response = fake.call(unsigned).await;
    assert_eq!(response.status(), 403);
    fake.advance(301_000);
    let (status, exception, _) = call(&fake, "POST", SEND, &request, SECRET).await;
    assert_eq!((status.as_u16(), exception.as_str()), (403, "SignatureDoesNotMatch"), "too old");
    let stranger = fake_with(|_| {});
    let (status, exception, _) = call(&stranger, "POST", SEND, &request, SECRET).await;
    assert_eq!((status.as_u16(), exception.as_str()), (403, "InvalidClientTokenId"));
    assert!(fake.sandbox.accepted(Platform::Ses).is_empty());
}

#[tokio::test]
async fn what_ses_refuses_is_refused_in_its_words() {
    let fake = fake_with(|options| options.rate_limit = None);
    fake.sandbox.ses_account(KEY_ID, account());
    let many: Vec<String> = (0..51).map(|n| format!("p{n}@example.net")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let with = |name: &str, value: Value| {
        let mut request = mail_to(&["ann@example.net"]);
        request[name] = value;
        request
    };
    let simple = json!({"Simple": {"Subject": {"Data": "s"}}});
    let both = json!({"Simple": {}, "Raw": {"Data": "eA=="}});
    let large = json!({"Raw": {"Data": "A".repeat(40_000_004)}});
    let stranger = mime("body").replace("alerts@example.com", "alerts@stranger.example");
    for (request, status, exception) in [
        (mail_to(&many[..50]), 200, ""),
        (mail_to(&many), 400, "BadRequestException"),
        (mail_to(&["not an address"]), 400, "BadRequestException"),
        (mail_to(&["用户@example.net"]), 400, "BadRequestException"),
        (with("ConfigurationSetName", json!("another")), 404, "NotFoundException"),
        (with("EmailTags", json!([{"Name": "a.b", "Value": "x"}])), 400, "BadRequestException"),
        (with("EmailTags", json!([{"Name": "a", "Value": "x".repeat(257)}])), 400, "BadRequestException"),
        (with("Content", simple), 400, "BadRequestException"),
        (with("Content", both), 400, "BadRequestException"),
        (with("Content", json!({"Raw": {"Data": "no base64!"}})), 400, "BadRequestException"),
        (with("Content", large), 400, "MessageRejected"),
        (with("FromEmailAddress", json!("alerts@stranger.example")), 400, "MessageRejected"),
        (raw("alerts@example.com", &["ann@example.net"], &stranger), 400, "MessageRejected"),
        (raw("alerts@sub.example.com", &["ann@example.net"], &mime("body")), 200, ""),
        (
            raw("alerts@example.com", &["ann@example.net"], "Subject: x\r\n\r\nno sender"),
            400,
            "MessageRejected",
        ),
        (raw("alerts@example.com", &["ann@example.net"], &mime(&"x".repeat(999))), 400, "MessageRejected"),
        (raw("alerts@example.com", &["ann@example.net"], &mime(&"x".repeat(998))), 200, ""),
    ] {
        let shown: String = request.to_string().chars().take(300).collect();
        assert_eq!(send(&fake, &request).await, (status, exception.to_owned()), "{shown}");
    }
    let named = fake
        .sandbox
        .inbox()
        .iter()
        .find_map(|item| item.errmsg.clone().filter(|m| m.contains("not verified")));
    assert!(named.expect("it was refused").ends_with("in region EU-WEST-1: alerts@stranger.example"));
    for (change, exception) in [
        (SesAccount { sending: false, ..account() }, "SendingPausedException"),
        (SesAccount { standing: "SHUTDOWN".to_owned(), ..account() }, "AccountSuspendedException"),
        (SesAccount { production: false, ..account() }, "MessageRejected"),
    ] {
        fake.sandbox.ses_account(KEY_ID, change);
        let refused = send(&fake, &mail_to(&["ann@example.net"])).await;
        assert_eq!(refused, (400, exception.to_owned()));
    }
    for to in ["someone@example.com", "success@simulator.amazonses.com"] {
        assert_eq!(send(&fake, &mail_to(&[to])).await.0, 200, "in SES's sandbox, too: {to}");
    }
}

#[tokio::test]
async fn rate_and_quota_count_recipients() {
    let fake = fake();
    fake.sandbox.ses_account(KEY_ID, SesAccount { per_second: 3.0, per_day: 5.0, ..account() });
    let one = mail_to(&["ann@example.net"]);
    assert_eq!(send(&fake, &mail_to(&["ann@example.net", "bob@example.net"])).await.0, 200);
    assert_eq!(send(&fake, &one).await.0, 200);
    assert_eq!(send(&fake, &one).await, (429, "TooManyRequestsException".to_owned()));
    fake.advance(1_000);
    // The simulator uses up the second, and not the day.
    assert_eq!(send(&fake, &mail_to(&["success@simulator.amazonses.com"])).await.0, 200);
    assert_eq!(send(&fake, &mail_to(&["ann@example.net", "bob@example.net"])).await.0, 200);
    fake.advance(1_000);
    assert_eq!(send(&fake, &one).await, (400, "LimitExceededException".to_owned()));
    let (_, _, told) = call(&fake, "GET", "/v2/email/account", "", SECRET).await;
    let quota = json!({"Max24HourSend": 5.0, "MaxSendRate": 3.0, "SentLast24Hours": 5});
    assert_eq!((&told["SendQuota"], &told["ProductionAccessEnabled"]), (&quota, &json!(true)));
}

#[tokio::test]
async fn the_simulator_s_addresses_meet_their_fates() {
    let fake = fake_with(|options| options.rate_limit = None);
    fake.sandbox.ses_account(KEY_ID, SesAccount { topic: Some(topic()), ..account() });
    for (to, expected) in [
        ("success@simulator.amazonses.com", &["Send", "Delivery"][..]),
        ("bounce+7@simulator.amazonses.com", &["Send", "Bounce General"]),
        ("ooto@simulator.amazonses.com", &["Send", "Bounce General", "Delivery"]),
        ("complaint@simulator.amazonses.com", &["Send", "Delivery", "Complaint"]),
        ("suppressionlist@simulator.amazonses.com", &["Send", "Bounce Suppressed"]),
        ("Gone@example.net", &["Send", "Bounce OnAccountSuppressionList"]),
        ("ann@example.net", &["Send", "Delivery"]),
    ] {
        assert_eq!(send(&fake, &mail_to(&[to])).await.0, 200, "also who bounces is taken");
        let mut told = Vec::new();
        for post in fake.sandbox.ses_posts(KEY_ID) {
            let posted: Value = serde_json::from_str(&post.body).expect("JSON");
            let event: Value =
                serde_json::from_str(posted["Message"].as_str().expect("a text")).expect("JSON");
            assert_eq!(event["mail"]["tags"]["mc-push"], json!(["p-1"]));
            assert_eq!(event["mail"]["destination"], json!([to]));
            let kind = event["eventType"].as_str().expect("a kind");
            let more = event["bounce"]["bounceSubType"].as_str().unwrap_or_default();
            told.push(format!("{kind} {more}").trim().to_owned());
        }
        assert_eq!(told, expected, "{to}");
    }
    let mut quiet = mail_to(&["ann@example.net"]);
    quiet["ConfigurationSetName"] = Value::Null;
    assert_eq!(send(&fake, &quiet).await.0, 200);
    assert!(fake.sandbox.ses_posts(KEY_ID).is_empty(), "no configuration set, no events");
}

/// The key in a certificate: what follows the identifier of RSA, its parameters and the head of a string of bits.
fn rsa_key(pem: &str) -> Vec<u8> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(lines).expect("base64");
    let at = der.windows(RSA.len()).position(|window| window == RSA).expect("an RSA key");
    let key = &der[at + RSA.len() + 5..];
    // A sequence, and two bytes of how long it is.
    let length = usize::from(u16::from_be_bytes([key[2], key[3]]));
    key[..4 + length].to_vec()
}

#[tokio::test]
async fn notifications_are_signed_and_subscribers_are_asked() {
    let fake = fake();
    let unconfirmed = SesTopic { confirmed: false, ..topic() };
    fake.sandbox.ses_account(KEY_ID, SesAccount { topic: Some(unconfirmed), ..account() });
    send(&fake, &mail_to(&["ann@example.net"])).await;
    assert!(fake.sandbox.ses_posts(KEY_ID).is_empty(), "who has not confirmed is told nothing");
    let asking = fake.sandbox.ses_subscription(KEY_ID).expect("a topic");
    let asked: Value = serde_json::from_str(&asking.body).expect("JSON");
    let place = |field: &str| {
        let url = asked[field].as_str().expect("an address");
        url.strip_prefix("https://sns.eu-west-1.amazonaws.com").expect("a host of SNS").to_owned()
    };
    let pem =
        fake.call(Request::get(place("SigningCertURL")).body(axum::body::Body::empty()).expect("a request"));
    let pem = axum::body::to_bytes(pem.await.into_body(), usize::MAX).await.expect("a body");
    let key = rsa_key(std::str::from_utf8(&pem).expect("PEM"));
    let names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];
    let signed: String =
        names.map(|name| format!("{name}\n{}\n", asked[name].as_str().expect("a text"))).concat();
    let signature = STANDARD.decode(asked["Signature"].as_str().expect("a text")).expect("base64");
    let verifier = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key);
    assert!(verifier.verify(signed.as_bytes(), &signature).is_ok());
    let (status, _) = fake.send("GET", "/?Action=ConfirmSubscription&TopicArn=x&Token=y", "").await;
    assert_eq!(status, 400);
    let (status, _) = fake.send("GET", &place("SubscribeURL"), "").await;
    assert_eq!(status, 200);
    send(&fake, &mail_to(&["ann@example.net"])).await;
    assert_eq!(fake.sandbox.ses_posts(KEY_ID).len(), 2);
    assert_eq!(asked["Timestamp"], "2023-11-14T22:13:20.000Z");
}
