//! One harness per kind.

use mc_core::model::{Addresses, Kind, Recipient};
use mc_core::ports::SharedChannel;
use mc_sandbox::{
    DingtalkApp, DingtalkCallback, Fault, FeishuApp, FeishuRobot, Platform, SesAccount, SesTopic, SmtpStage,
    WechatAccount, WechatTemplate, WecomApp, WecomCallback,
};
use mc_testkit::channel::{Expected, Harness, Trouble};
use serde_json::{Value, json};

pub use crate::known::*;
use crate::world::World;

/// A kind and its sandbox counterpart.
pub struct Fake<'w> {
    world: &'w World,
    kind: Kind,
}

impl<'w> Fake<'w> {
    pub fn new(world: &'w World, kind: Kind) -> Self {
        world.sandbox.dingtalk_robot(DINGTALK_TOKEN, Some(DINGTALK_SECRET));
        world.sandbox.dingtalk_app(DINGTALK_APP, dingtalk_app());
        let robot = FeishuRobot { secret: Some(FEISHU_SECRET.to_owned()), ..FeishuRobot::default() };
        world.sandbox.feishu_robot(FEISHU_HOOK, robot);
        world.sandbox.feishu_app(FEISHU_APP, feishu_app());
        world.sandbox.wecom_app(WECOM_CORP, WECOM_AGENT, wecom_app());
        world.sandbox.ses_account(SES_KEY_ID, ses_account());
        world.sandbox.smtp_account("alerts@example.com", SMTP_PASSWORD);
        let expectation = mc_sandbox::ImExpectation {
            standard_webhooks: Some(WEBHOOK_SECRET.to_owned()),
            ..mc_sandbox::ImExpectation::default()
        };
        world.sandbox.im_expect("room/send", expectation);
        for (app_id, mini) in [("wxofficial", false), ("wxmini", true)] {
            let template = WechatTemplate {
                id: "template-1".to_owned(),
                content: "{{thing1.DATA}}\n{{thing2.DATA}}".to_owned(),
                ..WechatTemplate::default()
            };
            let account = WechatAccount {
                mini,
                secret: WECHAT_SECRET.to_owned(),
                templates: vec![template],
                accepts_all: true,
                ..WechatAccount::default()
            };
            world.sandbox.wechat_account(app_id, account);
        }
        Self { world, kind }
    }

    pub fn platform(&self) -> Platform {
        match self.kind {
            Kind::WecomApp => Platform::WecomApp,
            Kind::WecomRobot => Platform::Wecom,
            Kind::DingtalkApp => Platform::DingtalkApp,
            Kind::DingtalkRobot => Platform::Dingtalk,
            Kind::FeishuApp => Platform::FeishuApp,
            Kind::FeishuRobot => Platform::Feishu,
            Kind::EmailSes => Platform::Ses,
            Kind::EmailSmtp => Platform::Smtp,
            Kind::WechatOfficial => Platform::Wechat,
            Kind::WechatMini => Platform::WechatMini,
            Kind::Slack => Platform::Slack,
            Kind::Webhook => Platform::Im,
        }
    }

    /// The WeChat account that is this kind's.
    fn app_id(&self) -> Option<&'static str> {
        match self.kind {
            Kind::WechatOfficial => Some("wxofficial"),
            Kind::WechatMini => Some("wxmini"),
            _ => None,
        }
    }

    /// The secrets of this kind's channel.
    pub fn own_secrets(&self) -> Vec<String> {
        let own: &[&str] = match self.kind {
            Kind::WecomApp => &[WECOM_SECRET, WECOM_TOKEN, WECOM_AES_KEY],
            Kind::WecomRobot => &[WECOM_KEY],
            Kind::DingtalkApp => &[DINGTALK_APP_SECRET, DINGTALK_CALLBACK_TOKEN, DINGTALK_AES_KEY],
            Kind::DingtalkRobot => &[DINGTALK_TOKEN, DINGTALK_SECRET],
            Kind::FeishuApp => &[FEISHU_APP_SECRET, FEISHU_TOKEN, FEISHU_KEY],
            Kind::FeishuRobot => &[FEISHU_HOOK, FEISHU_SECRET],
            Kind::EmailSes => &[],
            Kind::EmailSmtp => &[SMTP_PASSWORD],
            Kind::WechatOfficial | Kind::WechatMini => &[WECHAT_SECRET],
            Kind::Slack => &[SLACK_HOOK_KEY],
            Kind::Webhook => &[WEBHOOK_SECRET],
        };
        own.iter().map(|secret| (*secret).to_owned()).collect()
    }

    fn at(&self, url: &str, smtp_port: u16) -> SharedChannel {
        match self.kind {
            Kind::WecomApp => wecom_channel(self.world, json!({}), url),
            Kind::WecomRobot => self.world.build(self.kind, json!({}), &[("key", WECOM_KEY)], url),
            Kind::DingtalkApp => {
                let settings =
                    json!({"app_key": DINGTALK_APP, "agent_id": DINGTALK_AGENT, "corp_id": DINGTALK_CORP});
                let secrets = [
                    ("app_secret", DINGTALK_APP_SECRET),
                    ("token", DINGTALK_CALLBACK_TOKEN),
                    ("aes_key", DINGTALK_AES_KEY),
                ];
                self.world.build(self.kind, settings, &secrets, url)
            }
            Kind::DingtalkRobot => {
                let secrets = [("access_token", DINGTALK_TOKEN), ("secret", DINGTALK_SECRET)];
                self.world.build(self.kind, json!({}), &secrets, url)
            }
            Kind::FeishuApp => {
                let secrets = [
                    ("app_secret", FEISHU_APP_SECRET),
                    ("verification_token", FEISHU_TOKEN),
                    ("encrypt_key", FEISHU_KEY),
                ];
                self.world.build(self.kind, json!({"app_id": FEISHU_APP}), &secrets, url)
            }
            Kind::FeishuRobot => {
                let secrets = [("hook_token", FEISHU_HOOK), ("secret", FEISHU_SECRET)];
                self.world.build(self.kind, json!({}), &secrets, url)
            }
            Kind::EmailSes => ses_channel(self.world, "Alerts <alerts@example.com>", url),
            Kind::EmailSmtp => {
                let settings = json!({
                    "host": "127.0.0.1", "port": smtp_port, "security": "none",
                    "from": "Alerts <alerts@example.com>", "username": "alerts@example.com",
                });
                self.world.build(self.kind, settings, &[("password", SMTP_PASSWORD)], "")
            }
            Kind::WechatOfficial | Kind::WechatMini => {
                let app_id = self.app_id();
                let fields = json!({"title": "thing1", "text": "thing2"});
                let settings =
                    json!({"app_id": app_id, "platform_template_id": "template-1", "fields": fields});
                self.world.build(self.kind, settings, &[("app_secret", WECHAT_SECRET)], url)
            }
            Kind::Slack => {
                let hook = format!("https://hooks.slack.com/services/T0/B0/{SLACK_HOOK_KEY}");
                self.world.build(self.kind, json!({}), &[("webhook_url", &hook)], url)
            }
            Kind::Webhook => {
                let settings = json!({
                    "url": format!("{url}/im/room/send?k={{{{ message.id }}}}"),
                    "success": {"pointer": "/code", "equals": 0},
                    "message_id_pointer": "/data/message_id",
                    "sign": "standard_webhooks",
                });
                self.world.build(self.kind, settings, &[("secret", WEBHOOK_SECRET)], "")
            }
        }
    }

    fn fault(&self, trouble: Trouble) -> Option<Fault> {
        let fault = Fault::on(self.platform());
        let page = Some(json!("<html><body>not the platform</body></html>"));
        let errcode = |code| Fault { errcode: Some(code), ..fault.clone() };
        let coded = |status, code| Fault { status: Some(status), errcode: Some(code), ..fault.clone() };
        let reply = |code, at, text: &str| Fault {
            status: Some(code),
            at: Some(at),
            body: Some(json!(text)),
            ..fault.clone()
        };
        let word =
            |status, word: &str| Fault { status: Some(status), body: Some(json!(word)), ..fault.clone() };
        let exception = |status, name: &str, words: &str| Fault {
            status: Some(status),
            body: Some(json!({"__type": name, "message": words})),
            ..fault.clone()
        };
        let status = |status| Fault { status: Some(status), body: Some(json!({"code": 1})), ..fault.clone() };
        Some(match (trouble, self.kind) {
            (Trouble::CutsAfter, _) => Fault { cut: true, ..fault },
            (Trouble::Slow, _) => Fault { delay_ms: 60, ..fault },
            (Trouble::Page | Trouble::Gateway, Kind::EmailSmtp) => return None,
            (Trouble::EndsToken, Kind::FeishuApp) => coded(400, 99_991_663),
            (
                Trouble::EndsToken | Trouble::CutsLogin | Trouble::BusyLogin | Trouble::RefusesLogin,
                Kind::WecomApp,
            ) => {
                self.end_tokens();
                let login = Fault { call: Some("token".to_owned()), ..fault };
                match trouble {
                    Trouble::CutsLogin => Fault { cut: true, ..login },
                    Trouble::BusyLogin => Fault { errcode: Some(-1), ..login },
                    Trouble::RefusesLogin => Fault { errcode: Some(40001), ..login },
                    // Nothing else goes wrong.
                    _ => Fault { delay_ms: 1, ..login },
                }
            }
            (Trouble::CutsLogin, Kind::FeishuApp) => {
                self.world.sandbox.feishu_expire_tokens(FEISHU_APP);
                Fault { cut: true, call: Some("token".to_owned()), ..fault }
            }
            (Trouble::BusyLogin, Kind::FeishuApp) => {
                self.world.sandbox.feishu_expire_tokens(FEISHU_APP);
                Fault { call: Some("token".to_owned()), ..coded(500, 10_500) }
            }
            (Trouble::RefusesLogin, Kind::FeishuApp) => {
                self.world.sandbox.feishu_expire_tokens(FEISHU_APP);
                Fault { call: Some("token".to_owned()), ..errcode(10_015) }
            }
            (Trouble::EndsToken, Kind::DingtalkApp) => errcode(40_014),
            (Trouble::CutsLogin, Kind::DingtalkApp) => {
                self.end_tokens();
                Fault { cut: true, call: Some("token".to_owned()), ..fault }
            }
            (Trouble::BusyLogin, Kind::DingtalkApp) => {
                self.end_tokens();
                Fault { call: Some("token".to_owned()), ..errcode(-1) }
            }
            (Trouble::RefusesLogin, Kind::DingtalkApp) => {
                self.end_tokens();
                Fault { call: Some("token".to_owned()), ..errcode(40_096) }
            }
            (
                Trouble::EndsToken | Trouble::CutsLogin | Trouble::BusyLogin | Trouble::RefusesLogin,
                Kind::WechatOfficial | Kind::WechatMini,
            ) => {
                self.end_tokens();
                let login = Fault { call: Some("token".to_owned()), ..fault };
                match trouble {
                    Trouble::CutsLogin => Fault { cut: true, ..login },
                    Trouble::BusyLogin => Fault { errcode: Some(-1), ..login },
                    Trouble::RefusesLogin => Fault { errcode: Some(40125), ..login },
                    // Nothing else goes wrong.
                    _ => Fault { delay_ms: 1, ..login },
                }
            }
            // Nobody else has tokens.
            (Trouble::EndsToken | Trouble::CutsLogin | Trouble::BusyLogin | Trouble::RefusesLogin, _) => {
                return None;
            }
            (Trouble::Page, _) => Fault { status: Some(200), body: page, ..fault },
            (Trouble::Gateway, _) => Fault { status: Some(502), body: page, ..fault },
            (Trouble::Busy, Kind::WecomApp | Kind::WecomRobot | Kind::DingtalkApp | Kind::DingtalkRobot) => {
                errcode(-1)
            }
            (Trouble::TooFast, Kind::DingtalkApp) => errcode(90_018),
            (Trouble::Refuses, Kind::DingtalkApp) => errcode(41_049),
            (Trouble::Disowns, Kind::DingtalkApp) => errcode(60_020),
            (Trouble::TooFast, Kind::WecomApp | Kind::WecomRobot) => errcode(45009),
            (Trouble::TooFast, Kind::DingtalkRobot) => errcode(410_100),
            (Trouble::Refuses, Kind::WecomApp | Kind::WecomRobot) => errcode(40058),
            (Trouble::Refuses, Kind::DingtalkRobot) => errcode(430_104),
            (Trouble::Disowns, Kind::WecomApp) => errcode(60020),
            (Trouble::Disowns, Kind::WecomRobot) => errcode(93000),
            (Trouble::Disowns, Kind::DingtalkRobot) => errcode(400_102),
            (Trouble::Busy, Kind::FeishuApp) => coded(500, 10_500),
            (Trouble::TooFast, Kind::FeishuApp) => coded(429, 99_991_400),
            (Trouble::Refuses, Kind::FeishuApp) => coded(400, 230_013),
            (Trouble::Disowns, Kind::FeishuApp) => coded(400, 99_991_672),
            // It has no code for its own trouble but the one for haste.
            (Trouble::Busy | Trouble::TooFast, Kind::FeishuRobot) => errcode(11_232),
            (Trouble::Refuses, Kind::FeishuRobot) => errcode(9499),
            (Trouble::Disowns, Kind::FeishuRobot) => errcode(19_022),
            (Trouble::Busy, Kind::EmailSes) => exception(500, "InternalServiceErrorException", ""),
            (Trouble::TooFast, Kind::EmailSes) => {
                exception(429, "TooManyRequestsException", "Maximum sending rate exceeded.")
            }
            (Trouble::Refuses, Kind::EmailSes) => {
                exception(400, "MessageRejected", "Message contains a virus")
            }
            (Trouble::Disowns, Kind::EmailSes) => exception(
                400,
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in region EU-WEST-1: alerts@example.com",
            ),
            (Trouble::Busy, Kind::EmailSmtp) => reply(451, SmtpStage::Data, "4.3.0 try later"),
            (Trouble::TooFast, Kind::EmailSmtp) => {
                reply(454, SmtpStage::Data, "Throttling failure: Maximum sending rate exceeded")
            }
            (Trouble::Refuses, Kind::EmailSmtp) => reply(550, SmtpStage::Rcpt, "5.1.1 no such user"),
            (Trouble::Disowns, Kind::EmailSmtp) => reply(553, SmtpStage::Mail, "sender is not the account"),
            (Trouble::Busy, Kind::WechatOfficial | Kind::WechatMini) => errcode(-1),
            (Trouble::TooFast, Kind::WechatOfficial | Kind::WechatMini) => errcode(45011),
            (Trouble::Refuses, Kind::WechatOfficial) => errcode(47003),
            (Trouble::Refuses, Kind::WechatMini) => errcode(43101),
            (Trouble::Disowns, Kind::WechatOfficial | Kind::WechatMini) => errcode(40164),
            (Trouble::Busy, Kind::Slack) => word(500, "rollup_error"),
            (Trouble::TooFast, Kind::Slack) => word(429, "rate_limited"),
            (Trouble::Refuses, Kind::Slack) => word(400, "invalid_blocks"),
            (Trouble::Disowns, Kind::Slack) => word(404, "no_service"),
            (Trouble::Busy, Kind::Webhook) => status(503),
            (Trouble::TooFast, Kind::Webhook) => status(429),
            // HTTP 200 with an error inside.
            (Trouble::Refuses, Kind::Webhook) => status(200),
            (Trouble::Disowns, Kind::Webhook) => status(403),
        })
    }
}

/// An account of SES with a topic that keeps what it would post.
pub fn ses_account() -> SesAccount {
    SesAccount {
        secret_access_key: SES_SECRET.to_owned(),
        identities: vec!["example.com".to_owned()],
        configuration_sets: vec!["events".to_owned()],
        suppressed: vec!["gone@example.net".to_owned()],
        topic: Some(SesTopic { arn: SES_TOPIC.to_owned(), confirmed: true, ..SesTopic::default() }),
        ..SesAccount::default()
    }
}

/// A channel of that account.
pub fn ses_channel(world: &World, from: &str, url: &str) -> SharedChannel {
    let settings = json!({"from": from, "configuration_set": "events", "topic_arn": SES_TOPIC});
    world.build(Kind::EmailSes, settings, &[], url)
}

/// DingTalk's app as its pages say.
pub fn dingtalk_app() -> DingtalkApp {
    DingtalkApp {
        app_secret: DINGTALK_APP_SECRET.to_owned(),
        agent_id: DINGTALK_AGENT,
        corp_id: DINGTALK_CORP.to_owned(),
        departments: [(1, 300), (22, 5)].into(),
        mobiles: [("13800000000".to_owned(), "zhangsan".to_owned())].into(),
        callback: Some(DingtalkCallback {
            token: DINGTALK_CALLBACK_TOKEN.to_owned(),
            aes_key: DINGTALK_AES_KEY.to_owned(),
            ..DingtalkCallback::default()
        }),
        ..DingtalkApp::default()
    }
}

/// Feishu's app as its pages say.
pub fn feishu_app() -> FeishuApp {
    FeishuApp {
        app_secret: FEISHU_APP_SECRET.to_owned(),
        verification_token: FEISHU_TOKEN.to_owned(),
        encrypt_key: Some(FEISHU_KEY.to_owned()),
        mobiles: [("13800000000".to_owned(), "ou_7d8a6e6df7621556ce0d21922b676706".to_owned())].into(),
        ..FeishuApp::default()
    }
}

/// The app as its page says: it does not know everybody.
pub fn wecom_app() -> WecomApp {
    WecomApp {
        secret: WECOM_SECRET.to_owned(),
        users: Some(vec!["zhangsan".to_owned(), "LiSi".to_owned()]),
        unlicensed: vec!["wangwu".to_owned()],
        mobiles: [("13800000000".to_owned(), "zhangsan".to_owned())].into(),
        callback: Some(WecomCallback {
            url: "http://127.0.0.1:9/callback".to_owned(),
            token: WECOM_TOKEN.to_owned(),
            encoding_aes_key: WECOM_AES_KEY.to_owned(),
        }),
        ..WecomApp::default()
    }
}

/// A channel of that app, with more settings.
pub fn wecom_channel(world: &World, mut settings: Value, url: &str) -> SharedChannel {
    settings["corp_id"] = WECOM_CORP.into();
    settings["agent_id"] = WECOM_AGENT.into();
    let secrets = [("secret", WECOM_SECRET), ("token", WECOM_TOKEN), ("encoding_aes_key", WECOM_AES_KEY)];
    world.build(Kind::WecomApp, settings, &secrets, url)
}

impl Harness for Fake<'_> {
    fn channel(&self) -> SharedChannel {
        self.at(&self.world.http_url(), self.world.smtp_port)
    }

    fn unreachable(&self) -> SharedChannel {
        self.at(&self.world.closed_url(), self.world.closed_port)
    }

    fn recipient(&self) -> Recipient {
        let addresses = Addresses {
            email: Some("someone@example.com".into()),
            mobile: Some("+8613800000000".into()),
            wecom: Some("zhangsan".into()),
            dingtalk: Some("manager4220".into()),
            wechat: Some(OPENID.into()),
            feishu: Some("ou_7d8a6e6df7621556ce0d21922b676706".into()),
        };
        Recipient { addresses, ..Recipient::default() }
    }

    fn trouble(&self, trouble: Trouble) -> bool {
        let fault = self.fault(trouble);
        let known = fault.is_some();
        fault.into_iter().for_each(|fault| self.world.sandbox.push_fault(fault));
        known
    }

    fn expected(&self, trouble: Trouble) -> Expected {
        match (self.kind, trouble) {
            // DingTalk's gateway shuts out with a page.
            (Kind::DingtalkApp | Kind::DingtalkRobot, Trouble::Page) => Expected::Throttled,
            (Kind::FeishuRobot, Trouble::Busy) => Expected::Throttled,
            _ => Expected::usual(trouble),
        }
    }

    fn arrived(&self) -> Vec<String> {
        self.world.sandbox.accepted(self.platform()).iter().map(|item| item.text.clone()).collect()
    }

    fn forbidden_override(&self) -> Option<Value> {
        match self.kind {
            Kind::WecomApp => Some(json!({"touser": "@all"})),
            Kind::WecomRobot => Some(json!({"text": {"mentioned_list": ["@all"]}})),
            Kind::DingtalkApp => Some(json!({"userid_list": "boss"})),
            Kind::DingtalkRobot => Some(json!({"at": {"isAtAll": true}})),
            Kind::FeishuApp => Some(json!({"receive_id": "ou_another"})),
            Kind::FeishuRobot => Some(json!({"sign": "another"})),
            Kind::EmailSes | Kind::EmailSmtp => Some(json!({"headers": {"Bcc": "other@example.com"}})),
            Kind::WechatOfficial => Some(json!({"client_msg_id": null})),
            Kind::Slack => Some(json!({"channel": "C1"})),
            Kind::WechatMini => Some(json!({"touser": "somebody-else"})),
            // Its native payload is its body, in which nothing belongs to the channel.
            Kind::Webhook => None,
        }
    }

    fn secrets(&self) -> Vec<String> {
        // The start of the tokens that the sandbox gives out is one too.
        let all = [
            WECOM_SECRET,
            WECOM_TOKEN,
            WECOM_AES_KEY,
            WECOM_KEY,
            DINGTALK_TOKEN,
            DINGTALK_SECRET,
            DINGTALK_APP_SECRET,
            DINGTALK_CALLBACK_TOKEN,
            DINGTALK_AES_KEY,
            FEISHU_HOOK,
            FEISHU_SECRET,
            FEISHU_APP_SECRET,
            FEISHU_TOKEN,
            FEISHU_KEY,
            SMTP_PASSWORD,
            WEBHOOK_SECRET,
            WECHAT_SECRET,
            SLACK_HOOK_KEY,
            SES_SECRET,
            "access-token-0",
            "sandbox-access-token",
            "sandbox-token-",
        ];
        all.map(Into::into).into()
    }

    fn tokens_given(&self) -> Option<u64> {
        match self.kind {
            Kind::DingtalkApp => Some(self.world.sandbox.dingtalk_tokens_made(DINGTALK_APP)),
            Kind::WecomApp => Some(self.world.sandbox.wecom_tokens_given(WECOM_CORP, WECOM_AGENT)),
            Kind::FeishuApp => Some(self.world.sandbox.feishu_tokens_issued(FEISHU_APP)),
            _ => self.app_id().map(|app_id| self.world.sandbox.wechat_tokens_issued(app_id)),
        }
    }

    fn end_tokens(&self) {
        self.world.sandbox.feishu_expire_tokens(FEISHU_APP);
        self.world.sandbox.dingtalk_end_tokens(DINGTALK_APP, true);
        self.world.sandbox.wecom_end_tokens(WECOM_CORP, WECOM_AGENT, false);
        self.app_id().into_iter().for_each(|app_id| self.world.sandbox.wechat_expire_tokens(app_id, false));
    }

    fn numbers(&self) -> Option<[&'static str; 2]> {
        let finds = matches!(self.kind, Kind::WecomApp | Kind::DingtalkApp | Kind::FeishuApp);
        finds.then_some(["13800000000", "13900000000"])
    }

    fn unknown_recipient(&self) -> Option<Recipient> {
        let addresses = Addresses { wecom: Some("Nobody".into()), ..Addresses::default() };
        (self.kind == Kind::WecomApp).then(|| Recipient { addresses, ..Recipient::default() })
    }

    fn longest(&self) -> Option<usize> {
        matches!(self.kind, Kind::WechatOfficial | Kind::WechatMini).then_some(20)
    }
}
