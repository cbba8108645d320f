//! The way of a button through the real binary: onto a card of the sandbox, pressed there, and to the caller.

use std::time::Duration;

use mc_tests::{Auth, Receiver, TestApp, wait_until_some};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_button_is_pressed_and_the_caller_hears_of_it() {
    let caller = Receiver::start().await;
    let app = TestApp::builder().sandbox().start().await;
    let (client, sandbox) = (app.client(), app.client_with(Auth::None));
    let inbox = async || sandbox.get("/sandbox/_inbox").await.expect(200).json["items"].clone();
    let wecom = |items: &Value, kind: &str| {
        let of = |item: &&Value| item["platform"] == "wecom_app" && item["kind"] == kind;
        items.as_array().and_then(|items| items.iter().find(of)).cloned()
    };
    // The address is verified as saving it on the app's page does it.
    sandbox.post("/sandbox/_wecom/wwsandbox000000000/1000002/verify", &json!({})).await.expect(204);
    let hook = json!({"url": caller.url("/hook"), "events": ["channel.action"]});
    client.put("/v1/webhooks/actions", &hook).await.expect(201);

    let content = json!({
        "title": "Leave", "body": "3 days",
        "buttons": [{"text": "Yes", "action": "yes"}, {"text": "No", "action": "no"}],
    });
    let message = json!({
        "content": content, "to": [{"wecom": "zhangsan"}, {"wecom": "not a@user"}], "reference": "leave-7",
        "routing": {"channels": ["sandbox-wecom-app"]},
    });
    client.post("/v1/messages", &message).await.expect(422);
    let message = json!({
        "content": content, "to": [{"wecom": "zhangsan"}], "reference": "leave-7",
        "routing": {"channels": ["sandbox-wecom-app"]},
    });
    let sent = client.post("/v1/messages", &message).await.expect(202).json;
    let card = wait_until_some(SOON, async || wecom(&inbox().await, "template_card")).await;
    assert_eq!((&card["title"], &card["to"]), (&json!("Leave"), &json!(["zhangsan"])), "{card}");
    let raw: Value = serde_json::from_str(card["raw"].as_str().unwrap_or_default()).expect("the card's JSON");

    let press = json!({
        "event": "card", "user": "zhangsan", "key": "yes", "card_type": "button_interaction",
        "task_id": raw["template_card"]["task_id"],
    });
    let path = "/sandbox/_wecom/wwsandbox000000000/1000002/events";
    let told = sandbox.post(path, &press).await.expect(200).json;
    assert_eq!(told, json!({"status": 200, "body": ""}), "{}", app.logs());
    let changed =
        wecom(&inbox().await, "update_template_card").expect("the card is changed before the answer");
    assert_eq!((&changed["to"], &changed["text"]), (&json!(["zhangsan"]), &json!("已处理")));
    let heard = caller.wait_for(1, SOON).await[0].json();
    assert_eq!(heard["type"], "channel.action");
    let data = &heard["data"];
    assert_eq!((&data["action"], &data["user"]), (&json!("yes"), &json!("zhangsan")));
    assert_eq!((&data["message_id"], &data["reference"]), (&sent["id"], &json!("leave-7")));

    let path = format!("/v1/messages/{}/recall", sent["id"].as_str().expect("an id"));
    let recalled = client.post(&path, &json!({})).await.expect(200).json;
    assert_eq!(recalled["counts"]["recalled"], 1, "{recalled}");
    assert!(wecom(&inbox().await, "recall").is_some(), "WeCom was asked to take it back");
}
