//! Contacts, groups and the import of files.

use serde_json::{Value, json};

use crate::app::App;

#[tokio::test]
async fn contacts_are_made_changed_and_deleted() {
    let app = App::new().await;
    let ann = json!({
        "name": "Ann", "email": "ann@example.com", "locale": "zh-CN", "timezone": "Asia/Shanghai",
        "quiet_hours": {"from": "22:00", "to": "08:00"}, "opt_outs": ["news"],
    });
    let made = app.put("/v1/contacts/u1", ann.clone()).await.is(201);
    assert_eq!(made.json["quiet_hours"]["from"], "22:00");
    app.put("/v1/contacts/u1", ann).await.is(200);
    app.put("/v1/contacts/u2", json!({})).await.is(201);
    assert_eq!(app.get("/v1/contacts").await.items("id"), ["u2", "u1"]);
    assert_eq!(app.get("/v1/contacts/u1").await.is(200).json, app.get("/v1/contacts/u1").await.json);
    let wrong = json!({"email": "x", "quiet_hours": {"from": "22:00", "to": "08:00"}});
    app.put("/v1/contacts/u3", wrong).await.refuses(422, "invalid_contact", "/email");
    app.put("/v1/contacts/u3", json!({"phone": "1"})).await.refuses(422, "invalid_request", "/phone");
    app.put("/v1/contacts/import", json!({})).await.refuses(405, "method_not_allowed", "");
    app.delete("/v1/contacts/u2").await.is(204);
    app.delete("/v1/contacts/u2").await.refuses(404, "not_found", "");
    let types = app.get("/v1/events").await.items("type");
    assert_eq!(types, ["contact.delete", "contact.put", "contact.put", "contact.put"]);
}

#[tokio::test]
async fn contacts_are_found_by_what_is_known_of_them() {
    let app = App::new().await;
    let people = [
        ("u1", json!({"name": "Ann Lee", "email": "a.lee@example.com"})),
        ("u2", json!({"name": "Bob", "mobile": "+8613800000002"})),
        ("ops-1", json!({"email": "lee.ops@example.com"})),
    ];
    for (id, contact) in people {
        app.put(&format!("/v1/contacts/{id}"), contact).await.is(201);
    }
    for (text, found) in [
        ("LEE", vec!["u1", "ops-1"]),
        ("u", vec!["u2", "u1"]),
        ("0000002", vec!["u2"]),
        ("nobody", vec![]),
        ("", vec!["u2", "u1", "ops-1"]),
    ] {
        let page = app.get(&format!("/v1/contacts?q={text}")).await.is(200);
        assert_eq!(page.items("id"), found, "{text}");
    }
    let first = app.get("/v1/contacts?q=lee&limit=1").await.is(200);
    assert_eq!(first.items("id"), ["u1"]);
    let next = first.text_at("/next_cursor");
    assert_eq!(app.get(&format!("/v1/contacts?q=lee&limit=1&cursor={next}")).await.items("id"), ["ops-1"]);
}

#[tokio::test]
async fn what_a_group_has_is_in_use() {
    let app = App::new().await;
    app.put("/v1/contacts/u1", json!({"email": "a@example.com"})).await.is(201);
    app.put("/v1/groups/inner", json!({"members": ["u1"], "display_name": "Inner"})).await.is(201);
    app.put("/v1/groups/outer", json!({"members": ["@inner"]})).await.is(201);
    app.put("/v1/groups/inner", json!({"members": ["@outer"]})).await.refuses(
        422,
        "group_cycle",
        "/members/0",
    );
    app.put("/v1/groups/inner", json!({"members": ["u9"]})).await.refuses(
        422,
        "unknown_contact",
        "/members/0",
    );
    app.delete("/v1/contacts/u1").await.refuses(409, "in_use", "");
    app.delete("/v1/groups/inner").await.refuses(409, "in_use", "");
    assert_eq!(app.get("/v1/groups").await.items("name"), ["outer", "inner"]);
    app.delete("/v1/groups/outer").await.is(204);
    app.delete("/v1/groups/inner").await.is(204);
    app.delete("/v1/contacts/u1").await.is(204);
}

#[tokio::test]
async fn whom_an_alarm_or_a_schedule_names_is_in_use() {
    let app = App::new().await;
    app.channel("im").await;
    for id in ["u1", "u2", "ops", "other"] {
        app.put(&format!("/v1/contacts/{id}"), json!({"email": "a@example.com"})).await.is(201);
    }
    for name in ["ops", "u1"] {
        app.put(&format!("/v1/groups/{name}"), json!({"members": ["other"]})).await.is(201);
    }
    let message = |to: Value| json!({"content": {"body": "x"}, "to": to, "routing": {"channels": ["im"]}});
    let daily = json!({"cron": "0 9 * * *", "message": message(json!(["u1", "@ops"]))});
    app.put("/v1/schedules/daily", daily).await.is(201);
    let to = json!([{"email": "b@example.com"}, {"contact": "u2", "data": {"x": 1}}]);
    let watch = json!({"metric": "gave_up", "threshold": 1, "message": message(to)});
    app.put("/v1/alarms/watch", watch).await.is(201);
    for (path, by) in [
        ("/v1/contacts/u1", "the schedule daily"),
        ("/v1/groups/ops", "the schedule daily"),
        ("/v1/contacts/u2", "the alarm watch"),
    ] {
        let text = app.delete(path).await.refuses(409, "in_use", "").text;
        assert!(text.contains(by), "{text}");
    }
    // A contact is not the group of the same name.
    app.delete("/v1/contacts/ops").await.is(204);
    app.delete("/v1/groups/u1").await.is(204);
    app.delete("/v1/schedules/daily").await.is(204);
    app.delete("/v1/alarms/watch").await.is(204);
    for path in ["/v1/contacts/u1", "/v1/groups/ops", "/v1/contacts/u2"] {
        app.delete(path).await.is(204);
    }
}

#[tokio::test]
async fn a_message_goes_to_a_group() {
    let app = App::new().await;
    app.channel("im").await;
    app.put("/v1/contacts/u1", json!({"email": "a@example.com"})).await.is(201);
    app.put("/v1/groups/ops", json!({"members": ["u1"]})).await.is(201);
    let to = json!(["@ops", {"contact": "u1", "data": {"x": 1}}]);
    let message = json!({"content": {"body": "x"}, "to": to, "routing": {"channels": ["im"]}});
    app.post("/v1/messages", message.clone()).await.is(202);
    let mut nobody = message;
    nobody["to"] = json!(["u1", "u2"]);
    app.post("/v1/messages", nobody).await.refuses(422, "unknown_contact", "/to/1");
}

#[tokio::test]
async fn a_file_is_imported_with_a_report() {
    let app = App::new().await;
    let file = "id,email\nu1,a@example.com\nu2,nobody\n";
    let import = |path: &'static str, file: &'static str| {
        app.call("POST", path).bytes(file).header("content-type", "text/csv").send()
    };
    let dry = import("/v1/contacts/import?dry_run=true", file).await.is(200);
    assert_eq!((&dry.json["created"], &dry.json["refused"]), (&json!(1), &json!(1)));
    app.get("/v1/contacts/u1").await.refuses(404, "not_found", "");
    let report = import("/v1/contacts/import", file).await.is(200);
    assert_eq!(report.json["rows"], dry.json["rows"]);
    assert_eq!(report.json["rows"][1]["errors"][0]["pointer"], "/email");
    assert_eq!(report.json["rows"][1]["line"], 3);
    app.get("/v1/contacts/u1").await.is(200);
    import("/v1/contacts/import", "id,fax\n").await.refuses(422, "invalid_columns", "/columns/1");
    import("/v1/contacts/import?dry_run=maybe", file).await.refuses(422, "invalid_parameter", "/dry_run");
    let event = app.get("/v1/events?resource=contacts").await;
    assert_eq!(
        event.json["items"][0]["data"],
        json!({"created": 1, "replaced": 0, "unchanged": 0, "refused": 1, "contacts": ["u1"]})
    );
}

#[tokio::test]
async fn an_import_is_written_down_with_what_it_changed() {
    let app = App::new().await;
    let import = |file: String| app.call("POST", "/v1/contacts/import").bytes(file).send();
    app.put("/v1/contacts/u1", json!({"name": "Ann", "email": "ann@example.com"})).await.is(201);
    app.put("/v1/contacts/u2", json!({"email": "ben@example.com"})).await.is(201);
    let file = "id,email\nu1,ann@example.net\nu2,ben@example.com\nu3,cy@example.com\nu4,nobody\n";
    import(file.to_owned()).await.is(200);
    import("id,email\nu3,\n".to_owned()).await.is(200);
    import("id,email\nu4,nobody\n".to_owned()).await.is(200);
    let log = app.get("/v1/events?type=contacts.import").await.is(200);
    let [refused, emptied, mixed] = [0_usize, 1, 2].map(|at| &log.json["items"][at]);
    let counts = json!({"created": 1, "replaced": 1, "unchanged": 1, "refused": 1, "contacts": ["u1", "u3"]});
    assert_eq!(mixed["data"], counts);
    assert_eq!(mixed["before"], json!({"u1": {"email": "ann@example.com"}}));
    assert_eq!(mixed["after"]["u1"], json!({"email": "ann@example.net"}));
    assert_eq!(mixed["after"]["u3"]["email"], "cy@example.com");
    assert_eq!(mixed["after"].as_object().unwrap().len(), 2);
    assert_eq!(emptied["before"]["u3"], json!({"email": "cy@example.com"}));
    assert_eq!(emptied["after"]["u3"], json!({}));
    assert_eq!((&refused["before"], &refused["after"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_large_import_is_written_down_in_parts_within_bounds() {
    let app = App::new().await;
    let opt_outs: Vec<String> = (0..20).map(|n| format!("category-{n:030}")).collect();
    let opt_outs = opt_outs.join(" ");
    let rows = (0..250).map(|n| format!("u{n:04},{opt_outs}\n"));
    let file = format!("id,opt_outs\n{}", rows.collect::<String>());
    app.call("POST", "/v1/contacts/import").bytes(file).send().await.is(200);
    let log = app.get("/v1/events?type=contacts.import").await.is(200);
    let items = log.json["items"].as_array().unwrap();
    let counts: Vec<&Value> = items.iter().rev().map(|entry| &entry["data"]["created"]).collect();
    assert_eq!(counts, [&json!(100), &json!(100), &json!(50)]);
    let first = &items[2];
    assert_eq!(first["data"]["contacts"].as_array().unwrap().len(), 100);
    let shown = first["after"].as_object().unwrap();
    assert_eq!(shown["u0000"]["opt_outs"].as_array().unwrap().len(), 20);
    assert!(shown.len() < 100 && first["after"].to_string().len() < 80_000, "{}", shown.len());
}
