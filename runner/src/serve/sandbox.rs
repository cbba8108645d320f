//! The sandbox: fake platforms on this machine, with channels and a template ready to try.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use mc_aws::{Aws, Settings};
use mc_channels::{Ports, registry};
use mc_core::model::{ChannelDoc, FactTemplate, Format, Kind, Limits, Mode, OnDoubt, Routing, TemplateBody};
use mc_core::ports::MailService;
use mc_core::{Secret, Timestamp};
use mc_pipeline::Center;
use mc_pipeline::repo::{Build, PutError};
use mc_sandbox::{
    DingtalkApp, DingtalkCallback, FeishuApp, FeishuRobot, Sandbox, SandboxOptions, SesAccount, SesTopic,
    WechatAccount, WechatCallback, WechatTemplate, WecomApp, WecomCallback,
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Failure, context, origin, stopped};

/// The DingTalk robot that the sandbox knows.
const DINGTALK_TOKEN: &str = "sandbox-dingtalk-robot-token";
const DINGTALK_SECRET: &str = "SECsandbox0000000000000000000000";
/// The DingTalk app that the sandbox knows.
const DINGTALK_APP: &str = "dingsandbox000000000";
const DINGTALK_AGENT: u64 = 1_000_000_001;
const DINGTALK_CORP: &str = "dingsandboxcorp00000";
const DINGTALK_APP_SECRET: &str = "sandbox-dingtalk-app-secret";
const DINGTALK_CALLBACK_TOKEN: &str = "sandboxDingtalkToken";
const DINGTALK_AES_KEY: &str = "sandbox0dingtalk0aes0key0000000000000000000";
/// The WeCom app that the sandbox knows.
const WECOM_CORP: &str = "wwsandbox000000000";
const WECOM_AGENT: u64 = 1_000_002;
const WECOM_APP_SECRET: &str = "sandbox-wecom-app-secret";
const WECOM_TOKEN: &str = "sandboxwecomtoken";
const WECOM_AES_KEY: &str = "sandbox0wecom0encoding0aes0key0000000000000";
/// The WeCom robot's key; the sandbox takes any key of this form.
const WECOM_KEY: &str = "5a1db0c5-0000-4000-8000-000000000001";

/// The Feishu robot that the sandbox knows.
const FEISHU_HOOK: &str = "5a1db0c5-0000-4000-8000-000000000002";
const FEISHU_SECRET: &str = "sandbox-feishu-robot-secret";
/// The Feishu app that the sandbox knows.
const FEISHU_APP: &str = "cli_sandbox000000000";
const FEISHU_APP_SECRET: &str = "sandbox-feishu-app-secret";
const FEISHU_VERIFICATION: &str = "sandbox-feishu-verification-token";
const FEISHU_ENCRYPT: &str = "sandbox-feishu-encrypt-key";

/// A Slack webhook; the sandbox takes any of this form.
const SLACK_HOOK: &str = "https://hooks.slack.com/services/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";

/// The account of SES that the sandbox knows, and its topic.
const SES_KEY_ID: &str = "AKIASANDBOX000000001";
const SES_SECRET: &str = "sandbox-ses-secret-access-key";
const SES_REGION: &str = "eu-west-1";
const SES_CHANNEL: &str = "sandbox-email-ses";
const SES_SET: &str = "message-center";
const SES_TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail-events";

/// The WeChat accounts that the sandbox knows, and what their callbacks are signed and encrypted with.
const WECHAT_SECRET: &str = "5a1db0c5000040008000000000000003";
const WECHAT_TOKEN: &str = "sandbox-wechat-token";
const WECHAT_AES_KEY: &str = "sandbox0wechat0encoding0aes0key000000000000";
const WECHAT_CHANNELS: [&str; 2] = ["sandbox-wechat", "sandbox-wechat-mini"];

/// Where the fake platforms are.
fn base(address: SocketAddr) -> String {
    format!("{}/sandbox", origin(address))
}

/// Channels are made as everywhere, but for those of SES that name the sandbox: it takes their mails, whatever AWS
/// credentials there are here.
pub fn builder(center: &Center, address: SocketAddr) -> Result<Build, Failure> {
    let base = base(address);
    let settings = Settings::from_lookup(|name| {
        let value = match name {
            "AWS_REGION" => SES_REGION,
            "AWS_ACCESS_KEY_ID" => SES_KEY_ID,
            "AWS_SECRET_ACCESS_KEY" => SES_SECRET,
            "AWS_ENDPOINT_URL" => &base,
            _ => return None,
        };
        Some(value.to_owned())
    })?;
    let ses: Arc<dyn MailService> =
        Arc::new(Aws::new(settings, center.clock.clone(), center.random.clone()).mail());
    Ok(Arc::new(move |setup, ports| match setup.base_url {
        Some(url) if setup.kind == Kind::EmailSes && url.trim_end_matches('/') == base => {
            registry::build(setup, &Ports { mail: Some(ses.clone()), ..ports.clone() })
        }
        _ => registry::build(setup, ports),
    }))
}

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
    sandbox.wecom_app(WECOM_CORP, WECOM_AGENT, wecom_app(&origin(address)));
    sandbox.dingtalk_robot(DINGTALK_TOKEN, Some(DINGTALK_SECRET));
    sandbox.dingtalk_app(DINGTALK_APP, dingtalk_app(&origin(address)));
    let robot = FeishuRobot { secret: Some(FEISHU_SECRET.to_owned()), ..FeishuRobot::default() };
    sandbox.feishu_robot(FEISHU_HOOK, robot);
    for (name, app_id) in WECHAT_CHANNELS.into_iter().zip(["wxsandbox", "wxsandboxmini"]) {
        sandbox.wechat_account(app_id, wechat_account(&origin(address), name, app_id == "wxsandboxmini"));
    }
    let app = FeishuApp {
        app_secret: FEISHU_APP_SECRET.to_owned(),
        verification_token: FEISHU_VERIFICATION.to_owned(),
        encrypt_key: Some(FEISHU_ENCRYPT.to_owned()),
        callback: Some(format!("{}/v1/callbacks/default/sandbox-feishu-app", origin(address))),
        knows_numbers: true,
        ..FeishuApp::default()
    };
    sandbox.feishu_app(FEISHU_APP, app);
    sandbox.ses_account(SES_KEY_ID, ses_account(&origin(address)));
    let mail =
        TcpListener::bind(smtp).await.map_err(context(format!("the sandbox's SMTP server on {smtp}")))?;
    let mail_address = mail.local_addr()?;
    let postman = sandbox.clone();
    tokio::spawn(async move {
        if let Err(error) = postman.serve_smtp(mail, stopped(stopping)).await {
            tracing::error!(error = %error, "the sandbox's SMTP server ended");
        }
    });
    let base = base(address);
    let mut names = Vec::new();
    for (name, kind, settings, secrets) in channels(&base, mail_address) {
        put_channel(center, name, kind, settings, &secrets, &base).await?;
        // A template message has no room for a greeting; it has a sample of its own. And one mail is enough.
        if !WECHAT_CHANNELS.contains(&name) && name != SES_CHANNEL {
            names.push(name.to_owned());
        }
    }
    put_sample(center, "hello", template(names)).await?;
    put_sample(center, "order-paid", order_paid()).await?;
    Ok(sandbox.router())
}

/// Stores a sample template, unless there is one of this name.
async fn put_sample(center: &Center, name: &str, body: TemplateBody) -> Result<(), Failure> {
    if center.templates.current("default", name).await?.is_some() {
        return Ok(());
    }
    match center.templates.put("default", name, body).await {
        Ok(_) => Ok(()),
        Err(PutError::Failed(error)) => Err(error.into()),
        Err(PutError::Refused(errors)) => {
            Err(format!("the sample template {name} is refused: {errors:?}").into())
        }
    }
}

/// An app whose people read everything within seconds.
fn dingtalk_app(origin: &str) -> DingtalkApp {
    DingtalkApp {
        app_secret: DINGTALK_APP_SECRET.to_owned(),
        agent_id: DINGTALK_AGENT,
        corp_id: DINGTALK_CORP.to_owned(),
        departments: [(1, 300), (22, 5)].into(),
        knows_numbers: true,
        reads_after: Some(5_000),
        callback: Some(DingtalkCallback {
            url: format!("{origin}/v1/callbacks/default/sandbox-dingtalk-app"),
            token: DINGTALK_CALLBACK_TOKEN.to_owned(),
            aes_key: DINGTALK_AES_KEY.to_owned(),
            ..DingtalkCallback::default()
        }),
        ..DingtalkApp::default()
    }
}

/// An app that tells its channel of clicks.
fn wecom_app(origin: &str) -> WecomApp {
    WecomApp {
        secret: WECOM_APP_SECRET.to_owned(),
        knows_numbers: true,
        callback: Some(WecomCallback {
            url: format!("{origin}/v1/callbacks/default/sandbox-wecom-app"),
            token: WECOM_TOKEN.to_owned(),
            encoding_aes_key: WECOM_AES_KEY.to_owned(),
        }),
        ..WecomApp::default()
    }
}

/// An account of SES that tells the channel of everything.
fn ses_account(origin: &str) -> SesAccount {
    SesAccount {
        secret_access_key: SES_SECRET.to_owned(),
        region: SES_REGION.to_owned(),
        identities: vec!["example.com".to_owned()],
        configuration_sets: vec![SES_SET.to_owned()],
        topic: Some(SesTopic {
            arn: SES_TOPIC.to_owned(),
            url: format!("{origin}/v1/callbacks/default/{SES_CHANNEL}"),
            confirmed: true,
            tells: true,
        }),
        ..SesAccount::default()
    }
}

/// An account that tells the channel what became of each message.
fn wechat_account(origin: &str, channel: &str, mini: bool) -> WechatAccount {
    let template = WechatTemplate {
        id: "sandbox-order-paid".to_owned(),
        title: "付款通知".to_owned(),
        content: "商品：{{thing1.DATA}}\n金额：{{amount2.DATA}}\n备注：{{thing3.DATA}}\n".to_owned(),
        ..WechatTemplate::default()
    };
    WechatAccount {
        mini,
        secret: WECHAT_SECRET.to_owned(),
        templates: vec![template],
        accepts_all: true,
        callback: Some(WechatCallback {
            url: format!("{origin}/v1/callbacks/default/{channel}"),
            token: WECHAT_TOKEN.to_owned(),
            encoding_aes_key: Some(WECHAT_AES_KEY.to_owned()),
            tells: true,
            ..WechatCallback::default()
        }),
        ..WechatAccount::default()
    }
}

type ChannelSpec = (&'static str, Kind, Value, Vec<(&'static str, &'static str)>);

/// One channel of every kind.
fn channels(base: &str, mail: SocketAddr) -> Vec<ChannelSpec> {
    let mail = json!({
        "host": mail.ip().to_string(),
        "port": mail.port(),
        "security": "none",
        "from": "Message Center <center@example.com>",
    });
    let dingtalk = vec![("access_token", DINGTALK_TOKEN), ("secret", DINGTALK_SECRET)];
    let dingtalk_app = vec![
        ("app_secret", DINGTALK_APP_SECRET),
        ("token", DINGTALK_CALLBACK_TOKEN),
        ("aes_key", DINGTALK_AES_KEY),
    ];
    let dingtalk_settings =
        json!({"app_key": DINGTALK_APP, "agent_id": DINGTALK_AGENT, "corp_id": DINGTALK_CORP});
    let feishu = vec![("hook_token", FEISHU_HOOK), ("secret", FEISHU_SECRET)];
    let wechat = |app_id: &str| {
        let fields = json!({"item": "thing1", "amount": "amount2", "title": "thing3"});
        json!({"app_id": app_id, "platform_template_id": "sandbox-order-paid", "fields": fields})
    };
    let wechat_secrets =
        vec![("app_secret", WECHAT_SECRET), ("token", WECHAT_TOKEN), ("encoding_aes_key", WECHAT_AES_KEY)];
    let [official, mini] = WECHAT_CHANNELS;
    let app = vec![
        ("app_secret", FEISHU_APP_SECRET),
        ("verification_token", FEISHU_VERIFICATION),
        ("encrypt_key", FEISHU_ENCRYPT),
    ];
    let wecom_app = json!({"corp_id": WECOM_CORP, "agent_id": WECOM_AGENT});
    let wecom_secrets =
        vec![("secret", WECOM_APP_SECRET), ("token", WECOM_TOKEN), ("encoding_aes_key", WECOM_AES_KEY)];
    let ses = json!({
        "from": "Message Center <center@example.com>", "configuration_set": SES_SET, "topic_arn": SES_TOPIC,
    });
    let im = json!({"url": format!("{base}/im/messages")});
    vec![
        ("sandbox-wecom", Kind::WecomRobot, json!({}), vec![("key", WECOM_KEY)]),
        ("sandbox-wecom-app", Kind::WecomApp, wecom_app, wecom_secrets),
        ("sandbox-dingtalk-app", Kind::DingtalkApp, dingtalk_settings, dingtalk_app),
        ("sandbox-dingtalk", Kind::DingtalkRobot, json!({}), dingtalk),
        ("sandbox-feishu-app", Kind::FeishuApp, json!({"app_id": FEISHU_APP}), app),
        ("sandbox-feishu", Kind::FeishuRobot, json!({}), feishu),
        (official, Kind::WechatOfficial, wechat("wxsandbox"), wechat_secrets.clone()),
        (mini, Kind::WechatMini, wechat("wxsandboxmini"), wechat_secrets),
        ("sandbox-mail", Kind::EmailSmtp, mail, vec![]),
        (SES_CHANNEL, Kind::EmailSes, ses, vec![]),
        ("sandbox-slack", Kind::Slack, json!({}), vec![("webhook_url", SLACK_HOOK)]),
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
               - WeCom\n- DingTalk\n- Feishu\n- Slack\n- e-mail\n- your own IM\n\n[Read the API](https://example.com/docs)\n"
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

/// A sample for platforms that keep templates of their own: each fact fills a keyword.
fn order_paid() -> TemplateBody {
    let fact = |label: &str, value: &str| FactTemplate { label: label.to_owned(), value: value.to_owned() };
    TemplateBody {
        title: "Order paid".to_owned(),
        body: "Thank you for your order.".to_owned(),
        facts: vec![fact("item", "{{ item }}"), fact("amount", "¥{{ amount }}")],
        sample: json!({"item": "Tea", "amount": "12.50"}).as_object().cloned(),
        routing: Some(Routing { mode: Mode::All, channels: WECHAT_CHANNELS.map(str::to_owned).to_vec() }),
        ..TemplateBody::default()
    }
}
