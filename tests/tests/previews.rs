//! A preview shows what is sent: for every kind, what arrives on its platform is the preview's payload, byte for byte, but for
//! what only sending knows: who it goes to, and signatures and ids of that moment.

use std::time::Duration;

use mc_tests::{Auth, TestApp, wait_until_some};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// A kind, its channel and its platform in the sandbox, and what sending adds to a payload.
const KINDS: [(&str, &str, &str, &[&str]); 12] = [
    ("wecom_app", "sandbox-wecom-app", "wecom_app", &["agentid", "touser"]),
    ("wecom_robot", "sandbox-wecom", "wecom", &[]),
    ("dingtalk_app", "sandbox-dingtalk-app", "dingtalk_app", &["agent_id", "userid_list"]),
    ("dingtalk_robot", "sandbox-dingtalk", "dingtalk", &["msgUuid"]),
    ("feishu_app", "sandbox-feishu-app", "feishu_app", &["receive_id", "uuid"]),
    ("feishu_robot", "sandbox-feishu", "feishu", &["sign", "timestamp"]),
    ("email_ses", "sandbox-email-ses", "ses", &[]),
    ("email_smtp", "sandbox-mail", "smtp", &[]),
    ("wechat_official", "sandbox-wechat", "wechat", &["touser", "client_msg_id"]),
    ("wechat_mini", "sandbox-wechat-mini", "wechat_mini", &["touser"]),
    ("slack", "sandbox-slack", "slack", &[]),
    ("webhook", "sandbox-im", "im", &["message", "delivery"]),
];

fn without(mut payload: Value, added: &[&str]) -> Value {
    if let Some(members) = payload.as_object_mut() {
        members.retain(|name, _| !added.contains(&name.as_str()));
    }
    payload
}

/// The one message that a platform got.
async fn arrived(client: &mc_tests::Client, platform: &str) -> Value {
    wait_until_some(SOON, async || {
        let path = format!("/sandbox/_inbox?platform={platform}");
        client.get(&path).await.expect(200).json["items"].get(0).cloned()
    })
    .await
}

#[tokio::test]
async fn what_arrives_is_what_the_preview_shows() {
    let app = TestApp::builder().sandbox().start().await;
    let (client, sandbox) = (app.client(), app.client_with(Auth::None));
    let template = json!({
        "title": "{{ app }} 完成", "format": "markdown",
        "body": "**{{ app }}** is _live_:\n\n- one\n- `two`\n\n| a | b |\n|---|---|\n| 1 | <2> |\n",
        "facts": [{"label": "item", "value": "Tea"}, {"label": "amount", "value": "¥12.50"}],
        "buttons": [{"text": "Open", "url": "https://example.com/open?a=1&b=2"}],
        "url": "https://example.com/all", "level": "success",
    });
    // WeChat's keywords take few characters.
    let short = json!({"title": "{{ app }}", "body": "ready", "format": "text"});
    client.put("/v1/templates/live", &template).await.expect(201);
    client.put("/v1/templates/short", &short).await.expect(201);
    let data = json!({"app": "pay \"&\" <go>", "item": "Tea", "amount": "¥12.50"});
    let to = json!([{
        "email": "ann@example.com", "wecom": "zhangsan", "dingtalk": "manager4220",
        "wechat": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "feishu": "ou_7d8a6e6df7621556ce0d21922b676706",
    }]);
    for (kind, channel, platform, added) in KINDS {
        let (name, template) =
            if kind.starts_with("wechat_") { ("short", &short) } else { ("live", &template) };
        let asked = json!({"template": template, "data": data, "kinds": [kind]});
        let by_kind = client.post("/v1/preview", &asked).await.expect(200).json["previews"][0].clone();
        let asked = json!({"data": data, "channels": [channel]});
        let path = format!("/v1/templates/{name}/preview");
        let by_channel = client.post(&path, &asked).await.expect(200).json["previews"][0].clone();
        assert_eq!((&by_kind["kind"], &by_channel["kind"]), (&json!(kind), &json!(kind)));

        // A robot that is told of people would mention them; the others need somebody.
        let robot = matches!(kind, "wecom_robot" | "dingtalk_robot" | "feishu_robot" | "slack" | "webhook");
        let to = if robot { json!([]) } else { to.clone() };
        let message = json!({"template": name, "data": data, "to": to, "routing": {"channels": [channel]}});
        client.post("/v1/messages", &message).await.expect(202);
        let item = arrived(&sandbox, platform).await;
        assert_eq!(item["accepted"], true, "{kind}: {item}");
        let raw = item["raw"].as_str().expect("what arrived");
        if platform == "ses" || platform == "smtp" {
            // A mail's lines end with two characters.
            let got = |text: &Value| text.as_str().expect("a text").replace("\r\n", "\n");
            for preview in [by_kind, by_channel] {
                let payload = &preview["payload"];
                assert_eq!(item["title"], payload["subject"], "{kind}");
                assert_eq!(got(&item["mail"]["html"]), got(&payload["html"]), "{kind}");
                assert_eq!(got(&item["text"]), got(&payload["text"]).trim_end(), "{kind}");
            }
            continue;
        }
        let sent: Value = serde_json::from_str(raw).expect("JSON");
        let bytes = |payload: &Value| without(payload.clone(), added).to_string();
        let shown = |preview: &Value| match kind {
            "webhook" => preview["payload"]["body"].clone(),
            _ => preview["payload"].clone(),
        };
        assert_eq!(bytes(&sent), bytes(&shown(&by_channel)), "{kind}");
        // What fills the keywords of WeChat's templates is known of a channel alone.
        if !kind.starts_with("wechat_") {
            assert_eq!(bytes(&sent), bytes(&shown(&by_kind)), "{kind} without a channel");
        }
    }
}
