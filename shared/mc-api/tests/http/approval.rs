//! Templates that a second person has to approve.

use mc_core::model::OperatorRole;
use mc_core::ports::{Key, Op};
use serde_json::{Value, json};

use crate::app::{Answer, App, As};

struct Office {
    app: App,
    ann: As,
    ben: As,
    eve: As,
}

impl Office {
    async fn new() -> Self {
        let app = App::new().await;
        app.channel("im").await;
        app.put("/v1/projects/default", json!({"settings": {"template_approval": true}})).await.is(200);
        let ann = app.operator("ann", &[("default", OperatorRole::Admin)]).await;
        let ben = app.operator("ben", &[("default", OperatorRole::Admin)]).await;
        let eve = app.operator("eve", &[("default", OperatorRole::Admin)]).await;
        Self { app, ann, ben, eve }
    }

    async fn put(&self, who: &As, body: &str) -> Answer {
        let body = json!({"body": body, "routing": {"channels": ["im"]}});
        self.app.call("PUT", "/v1/templates/t").by(who).json(body).send().await
    }

    async fn review(&self, who: &As, version: u32, word: &str) -> Answer {
        let path = format!("/v1/templates/t/versions/{version}/{word}");
        self.app.call("POST", &path).by(who).json(json!({"comment": "seen"})).send().await
    }

    async fn send(&self) -> Answer {
        self.app.post("/v1/messages", json!({"template": "t"})).await
    }

    async fn states(&self) -> Vec<Value> {
        let versions = self.app.get("/v1/templates/t/versions").await.is(200);
        let items = versions.json["items"].as_array().unwrap().iter();
        items.map(|item| item["approval"]["state"].clone()).collect()
    }
}

#[tokio::test]
async fn a_version_is_sent_when_somebody_else_approved_it() {
    let office = Office::new().await;
    let made = office.put(&office.ann, "one").await.is(201);
    assert_eq!(made.json["approval"], json!({"state": "pending", "author": "operator:ann"}));
    office.send().await.refuses(422, "template_not_approved", "/template");
    office.review(&office.ann, 1, "approve").await.refuses(403, "own_change", "");
    office.review(&office.app.admin, 1, "approve").await.refuses(403, "operator_needed", "");
    let approved = office.review(&office.ben, 1, "approve").await.is(200);
    assert_eq!(approved.json["approval"]["reviewer"], "operator:ben");
    assert_eq!(office.send().await.is(202).json["template"]["version"], 1);
    // The next version waits, and the one before is sent meanwhile.
    assert_eq!(office.put(&office.ben, "two").await.is(200).json["version"], 2);
    assert_eq!(office.put(&office.ben, "two").await.is(200).json["version"], 2, "it waits already");
    assert_eq!(office.send().await.is(202).json["template"]["version"], 1);
    let preview = json!({"version": 2, "channels": ["im"]});
    let preview = office.app.post("/v1/templates/t/preview", preview).await.is(200);
    assert_eq!(preview.json["previews"][0]["text"], "two");
    assert_eq!(office.states().await, ["pending", "approved"]);
    let difference = office.app.get("/v1/templates/t/versions/2/diff").await.is(200);
    assert_eq!((&difference.json["from"], &difference.json["to"]), (&json!(1), &json!(2)));
    office.review(&office.ann, 2, "approve").await.is(200);
    // Once more it is the same answer, and no other review; a third person's comes too late.
    assert_eq!(office.review(&office.ann, 2, "approve").await.is(200).json["approval"]["state"], "approved");
    office.review(&office.eve, 2, "approve").await.refuses(409, "not_pending", "");
    assert_eq!(office.send().await.is(202).json["template"]["version"], 2);
    office.review(&office.ann, 2, "reject").await.refuses(409, "not_pending", "");
    let log = office.app.get("/v1/events?type=template.approve").await;
    let items = log.json["items"].as_array().unwrap().iter();
    let reviews: Vec<&Value> = items.map(|item| &item["data"]).collect();
    let seen = |version: u32| json!({"template": "t", "version": version, "comment": "seen"});
    assert_eq!(reviews, [&seen(2), &seen(1)]);
    office.review(&office.ann, 9, "approve").await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn any_reviewer_completes_a_review_that_was_cut_short() {
    let office = Office::new().await;
    office.put(&office.ann, "one").await.is(201);
    office.review(&office.ben, 1, "approve").await.is(200);
    office.put(&office.ann, "two").await.is(200);
    // As if the process had ended between the two writes of a review: the version has it, and what is sent is as before.
    let store = &office.app.center.store;
    let current = store.get(&Key::new("templates#default", "t")).await.unwrap().unwrap();
    office.review(&office.ben, 2, "approve").await.is(200);
    store.write(Op::put(current)).await.unwrap();
    assert_eq!(office.send().await.is(202).json["template"]["version"], 1);
    office.review(&office.ann, 2, "approve").await.refuses(403, "own_change", "");
    office.review(&office.eve, 2, "reject").await.refuses(409, "not_pending", "");
    let completed = office.review(&office.eve, 2, "approve").await.is(200);
    assert_eq!(
        completed.json["approval"]["reviewer"], "operator:ben",
        "the first word is the one that counts"
    );
    assert_eq!(office.send().await.is(202).json["template"]["version"], 2);
    office.review(&office.eve, 2, "approve").await.refuses(409, "not_pending", "");
    let log = office.app.get("/v1/events?type=template.approve").await.is(200);
    assert_eq!(log.items("actor"), ["operator:eve", "operator:ben", "operator:ben"]);
}

#[tokio::test]
async fn the_newest_approved_version_is_sent_in_whatever_order_they_are_approved() {
    let office = Office::new().await;
    for body in ["one", "two", "three"] {
        office.put(&office.ann, body).await;
    }
    office.review(&office.ben, 2, "approve").await.is(200);
    office.review(&office.ben, 1, "approve").await.refuses(409, "superseded", "");
    office.review(&office.ben, 3, "reject").await.is(200);
    assert_eq!(office.send().await.is(202).json["template"]["version"], 2);
    assert_eq!(office.states().await, ["rejected", "approved", "pending"]);
    // To go back to what was approved once needs no second person.
    office.put(&office.ann, "four").await.is(200);
    office.review(&office.ben, 4, "approve").await.is(200);
    let back = office.app.call("POST", "/v1/templates/t/rollback").by(&office.ann);
    back.json(json!({"version": 2})).send().await.is(200);
    assert_eq!(office.send().await.is(202).json["template"]["version"], 5);
}

#[tokio::test]
async fn nobody_approves_their_own_change_by_a_key_they_made() {
    let office = Office::new().await;
    let body = json!({"name": "x", "role": "admin"});
    let made = office.app.call("POST", "/v1/access-keys").by(&office.ann).json(body).send().await.is(201);
    let key = As::Key { id: made.text_at("/id"), secret: made.text_at("/secret_access_key") };
    // A key of the key, and what follows it, are hers as well.
    let made = async |by: &As, path: String, body: Value| {
        let made = office.app.call("POST", &path).by(by).json(body).send().await.is(201);
        As::Key { id: made.text_at("/id"), secret: made.text_at("/secret_access_key") }
    };
    let key = made(&key, "/v1/access-keys".to_owned(), json!({"name": "y", "role": "admin"})).await;
    let As::Key { id, .. } = &key else { panic!("a key") };
    let key = made(&key, format!("/v1/access-keys/{id}/rotate"), json!({})).await;
    office.put(&key, "one").await.is(201);
    office.review(&office.ann, 1, "approve").await.refuses(403, "own_change", "");
    office.review(&office.ben, 1, "approve").await.is(200);
    // Nor by switching the rule off for a moment: that is for those who rule all projects.
    let off = || json!({"settings": {"template_approval": false}});
    for who in [&office.ann, &key] {
        let answer = office.app.call("PUT", "/v1/projects/default").by(who).json(off()).send().await;
        answer.refuses(403, "forbidden", "");
    }
    let root = office.app.root().await;
    office.app.call("PUT", "/v1/projects/default").by(&root).json(off()).send().await.is(200);
    assert_eq!(office.put(&office.ann, "two").await.is(200).json["approval"], Value::Null);
    assert_eq!(office.send().await.is(202).json["template"]["version"], 2);
}

#[tokio::test]
async fn what_is_not_approved_is_not_included_either() {
    let office = Office::new().await;
    office.put(&office.ann, "part").await.is(201);
    let page = json!({"body": "{% include \"t\" %}"});
    let refused =
        office.app.call("PUT", "/v1/templates/page").by(&office.ann).json(page.clone()).send().await;
    assert_eq!(refused.status, 422);
    office.review(&office.ben, 1, "approve").await.is(200);
    office.app.call("PUT", "/v1/templates/page").by(&office.ann).json(page).send().await.is(201);
}
