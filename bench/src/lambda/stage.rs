//! The stage: a stub of AWS that holds channels and a template, put there by the real functions.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::aws::StubAws;
use super::prices::Assumed;
use super::runtime::{Function, Under};
use super::{ACCESS_KEY, ACCESS_KEY_SECRET, OPERATOR_SECRET, events};
use crate::Result;
use crate::sign::Signer;

/// Every function, with the family whose queue it works on.
pub(super) const FUNCTIONS: [(&str, Option<&str>); 11] = [
    ("ingest", None),
    ("console", None),
    ("callback", None),
    ("send-wecom", Some("wecom")),
    ("send-wechat", Some("wechat")),
    ("send-dingtalk", Some("dingtalk")),
    ("send-feishu", Some("feishu")),
    ("send-email", Some("email")),
    ("send-webhook", Some("webhook")),
    ("schedule", None),
    ("quota", None),
];

/// Everything the functions find.
pub(super) struct Stage {
    pub(super) aws: Arc<StubAws>,
    address: SocketAddr,
    bin: PathBuf,
    signer: Signer,
}

impl Stage {
    /// Starts the stub, and puts channels and a template in.
    pub(super) async fn set(bin: PathBuf, assumed: Assumed) -> Result<Self> {
        let (aws, address) = StubAws::start(assumed).await?;
        let mut stage = Self { aws, address, bin, signer: Signer::new(ACCESS_KEY) };
        let schedule = stage.start("schedule", Under::Itself, false).await?;
        schedule.invoke(&events::tick()).await?;
        schedule.end().await?;
        let console = stage.start("console", Under::Itself, false).await?;
        for (path, body) in stage.documents() {
            let (answer, _) = console.invoke(&stage.request("PUT", &path, Some(&body))).await?;
            if answer["statusCode"] != 201 {
                return Err(format!("{path} was refused: {answer}").into());
            }
        }
        console.end().await?;
        Ok(stage)
    }

    fn documents(&self) -> Vec<(String, Value)> {
        let url = format!("http://{}/platform", self.address);
        // So many robots that a thousand pushes find a slot each.
        let keys: Vec<String> = (0..200).map(|n| format!("5a1db0c5-0000-4000-8000-{n:012}")).collect();
        let robots: Vec<Value> = (0..200)
            .map(|n| json!({"access_token": format!("token-{n}"), "secret": format!("SEC{n}")}))
            .collect();
        let channels = [
            ("wecom", json!({"kind": "wecom_robot", "secrets": {"keys": keys}, "base_url": url})),
            ("dingtalk", json!({"kind": "dingtalk_robot", "secrets": {"robots": robots}, "base_url": url})),
            (
                "feishu",
                json!({
                    "kind": "feishu_app", "settings": {"app_id": "cli_1"}, "secrets": {"app_secret": "s"}, "base_url": url,
                }),
            ),
            (
                "wechat",
                json!({
                    "kind": "wechat_official", "base_url": url, "secrets": {"app_secret": "s"},
                    "settings": {"app_id": "wx1", "platform_template_id": "t", "fields": {"title": "thing1"}},
                }),
            ),
            ("email", json!({"kind": "email_ses", "settings": {"from": "Center <center@example.com>"}})),
            ("webhook", json!({"kind": "webhook", "settings": {"url": format!("{url}/im")}})),
        ];
        let template = json!({
            "title": "{{ app }} is out", "format": "markdown",
            "body": "**{{ app }}** {{ version }} is live.\n\n{{ note }}\n\n- ticket {{ ticket }}\n- by {{ by }}",
            "variables": {
                "type": "object", "required": ["app", "ticket"],
                "properties": {"app": {"type": "string"}, "ticket": {"type": "string", "maxLength": 40}},
            },
        });
        let channels = channels.into_iter().map(|(name, channel)| (format!("/v1/channels/{name}"), channel));
        channels.chain([("/v1/templates/hello".to_owned(), template)]).collect()
    }

    /// Where a function's binary is.
    pub(super) fn binary(&self, function: &str) -> PathBuf {
        self.bin.join(function)
    }

    /// Starts a function.
    pub(super) async fn start(&self, function: &str, under: Under, warm_up: bool) -> Result<Function> {
        Function::start(&self.binary(function), &self.environment(warm_up), under).await
    }

    /// What the template sets.
    pub(super) fn environment(&self, warm_up: bool) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("MESSAGE_CENTER_STACK", "mc".to_owned()),
            ("MESSAGE_CENTER_TABLE", "mc".to_owned()),
            ("MESSAGE_CENTER_BUCKET", "mc".to_owned()),
            ("MESSAGE_CENTER_KEY_RING", "ring".to_owned()),
            (
                "MESSAGE_CENTER_QUEUE_URL",
                "https://sqs.us-east-1.amazonaws.com/123456789012/mc-{family}".to_owned(),
            ),
            (
                "MESSAGE_CENTER_DEAD_QUEUE_URL",
                "https://sqs.us-east-1.amazonaws.com/123456789012/mc-{family}-dead".to_owned(),
            ),
            ("MESSAGE_CENTER_RETENTION_DAYS", "30".to_owned()),
            ("MESSAGE_CENTER_EGRESS_ALLOW", "127.0.0.0/8".to_owned()),
            ("MESSAGE_CENTER_LOG_LEVEL", "info".to_owned()),
            ("MESSAGE_CENTER_OPERATOR_SECRET", OPERATOR_SECRET.to_owned()),
            ("MESSAGE_CENTER_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET.to_owned()),
            ("MESSAGE_CENTER_WARM_UP", warm_up.to_string()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// A signed request.
    pub(super) fn request(&mut self, method: &str, path: &str, body: Option<&Value>) -> Value {
        events::request(&mut self.signer, method, path, body)
    }

    /// A request that sends a message to one recipient.
    pub(super) fn send(&mut self, family: &str, number: u64) -> Value {
        let body = message(family, &[number]);
        self.request("POST", "/v1/messages", Some(&body))
    }

    /// The next event of a function: a message more to send, or what it is usually called with.
    pub(super) async fn event(
        &mut self,
        (function, family): (&str, Option<&str>),
        ingest: &Function,
        number: u64,
    ) -> Result<Value> {
        let Some(family) = family else {
            return Ok(match function {
                "ingest" => self.send("email", number),
                "console" => self.request("GET", "/v1/templates/hello", None),
                "callback" => events::mail_event(),
                _ => events::tick(),
            });
        };
        let (answer, _) = ingest.invoke(&self.send(family, number)).await?;
        if answer["statusCode"] != 202 {
            return Err(format!("a message to {family} was refused: {answer}").into());
        }
        let batch = self.aws.take_batch(family, 1);
        if batch.is_empty() {
            return Err(format!("a message to {family} was not queued").into());
        }
        Ok(events::batch(family, &batch))
    }
}

/// A message, of 600 bytes with one recipient.
pub(super) fn message(family: &str, recipients: &[u64]) -> Value {
    json!({
        "template": "hello",
        "to": recipients.iter().map(|number| address(family, *number)).collect::<Vec<_>>(),
        "data": {
            "app": "payments", "version": "1.4.2", "by": "the deployment robot", "ticket": format!("OPS-{}", recipients[0]),
            "note": "Rolled out to all regions in eleven minutes. Two nodes were drained by hand beforehand because of the \
                maintenance of their racks; they are back since noon, and the error rate has stayed below one in ten thousand. \
                Please look at the board of the payments team before you change anything in the gateway's configuration today, \
                and tell the people on call if you see that the queue grows for more than a minute.",
        },
        "routing": {"channels": [family]},
    })
}

fn address(family: &str, number: u64) -> Value {
    match family {
        "email" => json!({"email": format!("person-{number}@example.com")}),
        "wechat" => json!({"wechat": format!("o6_bmjrPTlm6_2sgVt7hMZOPfL{number:02}")}),
        "feishu" => json!({"feishu": format!("ou_7d8a6e6df7621556ce0d21922b676{number:03}")}),
        _ => json!({"email": format!("person-{number}@example.com")}),
    }
}
