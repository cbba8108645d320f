//! The worked example of the webhook's document, played word for word against the sandbox.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mc_channels::{Setup, build};
use mc_core::Secret;
use mc_core::model::{Addresses, Content, Format, Kind, Limits, Recipient};
use mc_core::ports::{CallbackRequest, News, Push, RenderContext, Route, SharedChannel};
use mc_core::state::State;
use mc_sandbox::{ImExpectation, Platform};
use ring::hmac;
use serde_json::{Value, json};

use crate::world::World;

const DOCUMENT: &str = include_str!("../../src/webhook/docs.md");

/// The blocks of JSON in the example, in their order.
fn blocks() -> Vec<Value> {
    let (_, example) = DOCUMENT.split_once("## A worked example").unwrap();
    let (example, _) = example.split_once("\n## ").unwrap();
    let blocks = example.split("```json\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

/// The channel as the document has it, at the sandbox's address.
fn channel(world: &World, document: &Value) -> SharedChannel {
    let secrets = document["secrets"].as_object().unwrap().iter();
    let secrets = secrets.map(|(name, value)| (name.clone(), Secret::new(value.as_str().unwrap()))).collect();
    let setup = Setup {
        project: "default",
        name: "im",
        kind: Kind::Webhook,
        settings: document["settings"].as_object().unwrap(),
        secrets: &secrets,
        base_url: Some(&world.http_url()),
        route: Route::default(),
        limits: Limits::default(),
    };
    build(setup, &world.ports).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[tokio::test]
async fn the_documents_example_works_as_it_is_written() {
    let [document, login, session, pushed, taken, told] = blocks().try_into().unwrap();
    let world = World::start(false).await;
    let secret = document["secrets"]["secret"].as_str().unwrap();
    let takes = |body: &Value, answer: &Value| ImExpectation {
        body: Some(body.clone()),
        answer: Some(answer.clone()),
        ..ImExpectation::default()
    };
    world.sandbox.im_expect("login", takes(&login, &session));
    let headers = [("x-app", Some("message-center".to_owned())), ("x-trace", None), ("webhook-id", None)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
    let room =
        ImExpectation { headers, standard_webhooks: Some(secret.to_owned()), ..takes(&pushed, &taken) };
    world.sandbox.im_expect("rooms/ops/messages", room);

    // The message of the document's sentence.
    let content = Content::new("Deploy", Format::Markdown, "**pay** is out");
    let data = json!({"room": "ops"});
    let mobile = Addresses { mobile: Some("+8613800000000".into()), ..Addresses::default() };
    let to = [Recipient { addresses: mobile, ..Recipient::default() }];
    let empty = serde_json::Map::new();
    let message = "msg_01HF7YAT31000000000000001A".parse().unwrap();
    let context = RenderContext {
        project: "default",
        message,
        delivery: "dlv_1",
        to: &to,
        data: data.as_object().unwrap(),
        params: &empty,
        overrides: None,
        files: &[],
    };
    let channel = channel(&world, &document);
    let rendered = channel.render(&content, &context).unwrap();
    let preview = rendered.parts[0].payload.to_string();
    assert!(preview.contains("login-token-") && !preview.contains("s-7f3a"), "{preview}");
    let push = Push {
        project: "default",
        message,
        delivery: "dlv_1",
        push_id: "01HF7YAT31000000000000001A-0-0",
        again: false,
        part: &rendered.parts[0],
        to: &to,
        attachments: &[],
        slot: None,
    };
    let receipt = channel.send(push).await.unwrap();
    assert_eq!(receipt.platform_id.as_deref(), taken["data"]["id"].as_str());
    let items = world.sandbox.accepted(Platform::Im);
    let paths: Vec<&str> = items.iter().map(|item| item.target.as_str()).collect();
    assert_eq!(paths, ["/im/login", "/im/rooms/ops/messages"]);
    assert_eq!(items[1].verified, Some(true));

    let (id, seconds, body) = ("cb_1", world.ports.clock.now().seconds().to_string(), told.to_string());
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = STANDARD.encode(hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes()));
    let headers = [
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), seconds),
        ("webhook-signature".to_owned(), format!("v1,{signature}")),
    ];
    let request = CallbackRequest { method: "POST", query: "", headers: &headers, body: body.as_bytes() };
    let answer = channel.callbacks().unwrap().callback(&request).await.unwrap();
    let [News::Receipt { platform_id, state, .. }] = answer.news.as_slice() else {
        panic!("{:?}", answer.news)
    };
    assert_eq!((platform_id, *state), (&receipt.platform_id.unwrap(), State::Read));
}
