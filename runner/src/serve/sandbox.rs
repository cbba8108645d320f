//! The sandbox: fake platforms on this machine, with channels and a template ready to try.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use mc_core::model::{ChannelDoc, Format, Kind, Limits, Mode, OnDoubt, Routing, TemplateBody};
use mc_core::{Secret, Timestamp};
use mc_pipeline::Center;
use mc_pipeline::repo::PutError;
use mc_sandbox::{FeishuRobot, Sandbox, SandboxOptions};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Failure, context, origin, stopped};

/// The DingTalk robot that the sandbox knows.
const DINGTALK_TOKEN: &str = "sandbox-dingtalk-robot-token";
const DINGTALK_SECRET: &str = "SECsandbox0000000000000000000000";
/// The WeCom robot's key; the sandbox takes any key of this form.
const WECOM_KEY: &str = "5a1db0c5-0000-4000-8000-000000000001";

/// The Feishu robot that the sandbox knows.
const FEISHU_HOOK: &str = "5a1db0c5-0000-4000-8000-000000000002";
const FEISHU_SECRET: &str = "sandbox-feishu-robot-secret";

/// Starts the fake platforms and points the sandbox channels of the project `default` at them.
///
/// The addresses may differ at every start, so the channels are written each time; a template somebody changed stays.
pub async fn start(
    center: &Arc<Center>,
    address: SocketAddr,
    smtp: SocketAddr,
    stopping: watch::Receiver<bool>,
) -> Result<Router, Failure> {
    let clock = center.clock.clone();
    let sandbox =
        Sandbox::new(SandboxOptions::new(Arc::new(move || u64::try_from(clock.now().millis()).unwrap_or(0))));
    sandbox.dingtalk_robot(DINGTALK_TOKEN, Some(DINGTALK_SECRET));
    let robot = FeishuRobot { secret: Some(FEISHU_SECRET.to_owned()), ..FeishuRobot::default() };
    sandbox.feishu_robot(FEISHU_HOOK, robot);
    let mail =
        TcpListener::bind(smtp).await.map_err(context(format!("the sandbox's SMTP server on {smtp}")))?;
    let mail_address = mail.local_addr()?;
    let postman = sandbox.clone();
    tokio::spawn(async move {
        if let Err(error) = postman.serve_smtp(mail, stopped(stopping)).await {
            tracing::error!(error = %error, "the sandbox's SMTP server ended");
        }
    });
    let base = format!("{}/sandbox", origin(address));
    let mut names = Vec::new();
    for (name, kind, settings, secrets) in channels(&base, mail_address) {
        put_channel(center, name, kind, settings, &secrets, &base).await?;
        names.push(name.to_owned());
    }
    if center.templates.current("default", "hello").await?.is_none() {
        match center.templates.put("default", "hello", template(names)).await {
            Ok(_) => {}
            Err(PutError::Failed(error)) => return Err(error.into()),
            Err(PutError::Refused(errors)) => {
                return Err(format!("the sample template is refused: {errors:?}").into());
            }
        }
    }
    Ok(sandbox.router())
}

type ChannelSpec = (&'static str, Kind, Value, Vec<(&'static str, &'static str)>);

/// One channel of every kind; the sample template goes through all of them.
fn channels(base: &str, mail: SocketAddr) -> Vec<ChannelSpec> {
    let mail = json!({
        "host": mail.ip().to_string(),
        "port": mail.port(),
        "security": "none",
        "from": "Message Center <center@example.com>",
    });
    let dingtalk = vec![("access_token", DINGTALK_TOKEN), ("secret", DINGTALK_SECRET)];
    let feishu = vec![("hook_token", FEISHU_HOOK), ("secret", FEISHU_SECRET)];
    let im = json!({"url": format!("{base}/im/messages")});
    vec![
        ("sandbox-wecom", Kind::WecomRobot, json!({}), vec![("key", WECOM_KEY)]),
        ("sandbox-dingtalk", Kind::DingtalkRobot, json!({}), dingtalk),
        ("sandbox-feishu", Kind::FeishuRobot, json!({}), feishu),
        ("sandbox-mail", Kind::EmailSmtp, mail, vec![]),
        ("sandbox-im", Kind::Webhook, im, vec![]),
    ]
}

async fn put_channel(
    center: &Center,
    name: &str,
    kind: Kind,
    settings: Value,
    secrets: &[(&str, &str)],
    base: &str,
) -> Result<(), Failure> {
    let settings: Map<String, Value> = settings.as_object().cloned().unwrap_or_default();
    let mut sealed = BTreeMap::new();
    let mut opened = BTreeMap::new();
    for (field, value) in secrets {
        sealed.insert((*field).to_owned(), center.channels.seal("default", name, field, value)?);
        opened.insert((*field).to_owned(), Secret::new(*value));
    }
    let doc = ChannelDoc {
        kind,
        settings,
        secrets: sealed,
        base_url: (!matches!(kind, Kind::EmailSmtp | Kind::Webhook)).then(|| base.to_owned()),
        proxy: None,
        tls_ca: None,
        limits: Limits::default(),
        alarm: None,
        on_doubt: OnDoubt::Resend,
        enabled: true,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    };
    center
        .channels
        .build("default", name, doc.clone(), &opened, None)
        .map_err(|errors| format!("the sandbox channel {name} is refused: {errors:?}"))?;
    center.channels.put("default", name, doc).await?;
    Ok(())
}

fn template(channels: Vec<String>) -> TemplateBody {
    TemplateBody {
        title: "Hello, {{ name }}".to_owned(),
        body: "**One message**, and it looks right on every platform:\n\n\
               - WeCom\n- DingTalk\n- Feishu\n- e-mail\n- your own IM\n\n[Read the API](https://example.com/docs)\n"
            .to_owned(),
        format: Format::Markdown,
        variables: Some(json!({
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "maxLength": 100}},
        })),
        sample: json!({"name": "World"}).as_object().cloned(),
        routing: Some(Routing { mode: Mode::All, channels }),
        ..TemplateBody::default()
    }
}
