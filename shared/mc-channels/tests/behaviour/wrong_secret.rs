//! A channel whose secret is wrong is nobody's trouble but its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mc_core::Secret;
use mc_core::model::{Content, Format, Kind};
use mc_core::ports::{Fetch, SendError, Tokens};
use mc_testkit::MemoryTokens;
use mc_testkit::channel::Harness;
use serde_json::json;

use crate::fakes::{DINGTALK_AGENT, DINGTALK_APP, FEISHU_APP, Fake, WECOM_AGENT, WECOM_CORP};
use crate::suite::deliver;
use crate::world::World;

/// Tokens that tell a failed fetch to everybody who asks for the same name afterwards, as the shared ones do for a while.
struct Telling {
    tokens: Arc<MemoryTokens>,
    failed: Mutex<HashMap<String, SendError>>,
}

#[async_trait]
impl Tokens for Telling {
    async fn get(
        &self,
        project: &str,
        name: &str,
        rejected: Option<&Secret>,
        fetch: &Fetch<'_>,
    ) -> Result<Secret, SendError> {
        let told = self.failed.lock().unwrap().get(name).cloned();
        if let Some(error) = told {
            return Err(error);
        }
        let result = self.tokens.get(project, name, rejected, fetch).await;
        if let Err(error) = &result {
            self.failed.lock().unwrap().insert(name.to_owned(), error.clone());
        }
        result
    }
}

#[tokio::test]
async fn a_channel_with_a_wrong_secret_fails_alone_and_at_once() {
    let template = |app_id: &str| {
        json!({"app_id": app_id, "platform_template_id": "template-1",
            "fields": {"title": "thing1", "text": "thing2"}})
    };
    for (kind, settings, secret) in [
        (Kind::WecomApp, json!({"corp_id": WECOM_CORP, "agent_id": WECOM_AGENT}), "secret"),
        (Kind::FeishuApp, json!({"app_id": FEISHU_APP}), "app_secret"),
        (Kind::DingtalkApp, json!({"app_key": DINGTALK_APP, "agent_id": DINGTALK_AGENT}), "app_secret"),
        (Kind::WechatOfficial, template("wxofficial"), "app_secret"),
        (Kind::WechatMini, template("wxmini"), "app_secret"),
    ] {
        let mut world = World::start(false).await;
        let tokens = Telling { tokens: Arc::clone(&world.tokens), failed: Mutex::default() };
        world.ports.tokens = Arc::new(tokens);
        let fake = Fake::new(&world, kind);
        let wrong = world.build(kind, settings, &[(secret, "not-the-secret")], &world.http_url());
        let content = Content::new("Title", Format::Text, "body");
        let to = [fake.recipient()];

        let right = fake.channel();

        if let (Some(wrong), Some(right)) = (wrong.lookups(), right.lookups()) {
            wrong.by_mobile("13800000000").await.unwrap_err();
            let found = right.by_mobile("13800000000").await;
            assert!(matches!(found, Ok(Some(_))), "{kind:?} looks for the same number: {found:?}");
        }
        deliver(&*wrong, &content, &to, &[]).await.unwrap_err();
        let sent = deliver(&*right, &content, &to, &[]).await;
        assert!(sent.is_ok(), "{kind:?} with the right secret: {sent:?}");
        let sent = deliver(&*wrong, &content, &to, &[]).await;
        assert!(sent.is_err(), "{kind:?} sends with a token that was got with another secret");
        assert_eq!(fake.arrived().len(), 1, "{kind:?}");
    }
}
