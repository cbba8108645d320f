//! What is wrong with the settings of a webhook channel, each thing at its place.

use std::collections::BTreeMap;

use mc_channels::review;
use mc_core::Secret;
use mc_core::model::Kind;
use serde_json::{Value, json};

use crate::webhook::render;
use crate::world::World;

fn problems(world: &World, settings: Value, secrets: &[(&str, &str)]) -> Vec<String> {
    let set = secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    let reviewed = review(Kind::Webhook, settings.as_object().unwrap(), &set);
    let problems = world.try_build(Kind::Webhook, settings, secrets, "").err().unwrap_or(reviewed);
    // In words for somebody who writes settings, not for somebody who writes Rust.
    let in_words = |detail: &str| !detail.is_empty() && !detail.contains("variant");
    assert!(problems.iter().all(|problem| in_words(&problem.detail)), "{problems:?}");
    problems.into_iter().map(|problem| problem.pointer).collect()
}

#[tokio::test]
async fn every_problem_has_its_place() {
    type Case<'a> = (Value, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let world = World::start(false).await;
    let url = "https://im.example.com/send";
    let cases: [Case<'_>; 29] = [
        (json!({}), &[], &["/settings/url"]),
        (json!({"url": "https://{{ data.host }}/x"}), &[], &["/settings/url"]),
        (json!({"url": "ftp://h/x"}), &[], &["/settings/url"]),
        (json!({"url": "https://u:p@h/x"}), &[], &["/settings/url"]),
        (json!({"url": "https://h/{{ x"}), &[], &["/settings/url"]),
        (json!({"url": url, "method": "TRACE"}), &[], &["/settings/method"]),
        (
            json!({"url": url, "headers": {"host": "x", "a b": "c"}}),
            &[],
            &["/settings/headers/a b", "/settings/headers/host"],
        ),
        (
            json!({"url": url, "headers": {"X-A": "a\nb", "X-B": "a\tb\n", "X-Key": "a\n"}}),
            &[],
            &["/settings/headers/X-A"],
        ),
        (json!({"url": url, "headers": {"X-Key": "a\u{7f}"}}), &[], &["/settings/headers/X-Key"]),
        (json!({"url": url, "body": {"a/b": ["{{ x"]}}), &[], &["/settings/body/a~1b/0"]),
        (json!({"url": url, "success": {"pointer": "/a"}}), &[], &["/settings/success/equals"]),
        (
            json!({"url": url, "success": {"equals": 0, "status": [200, 42]}}),
            &[],
            &["/settings/success/status", "/settings/success/pointer"],
        ),
        (json!({"url": url, "message_id_pointer": "id"}), &[], &["/settings/message_id_pointer"]),
        (
            json!({"url": url, "login": {"url": "x"}}),
            &[],
            &["/settings/login/url", "/settings/login/token_pointer"],
        ),
        (
            json!({"url": url, "login": {"foo": 1, "token_pointer": 2}}),
            &[],
            &["/settings/login/url", "/settings/login/token_pointer", "/settings/login/foo"],
        ),
        (
            json!({"url": url, "login": {"url": "https://h/l", "token_pointer": "/t", "over": {"status": [401], "foo": 1}}}),
            &[],
            &["/settings/login/over/foo"],
        ),
        (
            json!({"url": url, "login": {"url": "x", "token_pointer": "t", "body": "{{ nobody }}", "method": "HEAD", "header": "a b", "over": {}}}),
            &[],
            &[
                "/settings/login/url",
                "/settings/login/body",
                "/settings/login/method",
                "/settings/login/token_pointer",
                "/settings/login/header",
                "/settings/login/over",
            ],
        ),
        (json!({"url": url, "sign": "hmac_sha256"}), &[], &["/secrets/secret"]),
        (
            json!({"url": url, "sign": {"type": "aws_sigv4", "region": "", "service": "a b"}}),
            &[("secret", "s")],
            &["/settings/sign/access_key_id", "/settings/sign/region", "/settings/sign/service"],
        ),
        (
            json!({"url": url, "sign": {"type": "hmac_sha256", "region": "r"}}),
            &[("secret", "s")],
            &["/settings/sign"],
        ),
        (
            json!({"url": url, "headers": {"Authorization": "x"}, "sign": {"type": "aws_sigv4", "access_key_id": "A", "region": "r"}}),
            &[("secret", "s")],
            &["/settings/headers/Authorization"],
        ),
        (json!({"url": url, "sign": "md5"}), &[], &["/settings/sign"]),
        (json!({"url": url, "sign": 256}), &[], &["/settings/sign"]),
        (
            json!({"url": url, "sign": {"type": "md5", "heder": "X-Sig"}}),
            &[],
            &["/settings/sign/type", "/settings/sign/heder"],
        ),
        (
            json!({"url": url, "success": {"status": "ok", "equal": 0}}),
            &[],
            &["/settings/success/status", "/settings/success/equal"],
        ),
        (json!({"url": url, "success": {"pointer": 7, "equals": 0}}), &[], &["/settings/success/pointer"]),
        (json!({"url": url, "body": {"t": "{{ login.token }}"}}), &[], &["/settings/login"]),
        (
            json!({"url": url, "body": "{{ login.token }}", "login": {"url": "https://h/l", "token_pointer": "/t", "query": "t"}}),
            &[],
            &["/settings/login/query"],
        ),
        (json!({"url": url, "other": 1}), &[("token", "t")], &["/secrets/token", "/settings/other"]),
    ];
    for (settings, secrets, expected) in cases {
        assert_eq!(problems(&world, settings.clone(), secrets), expected, "{settings}");
    }
}

#[tokio::test]
async fn a_header_is_written_once_and_the_one_that_is_too_many_is_named() {
    let world = World::start(false).await;
    let sign = |header: &str| json!({"type": "hmac_sha256", "header": header});
    let login = |more: Value| {
        let mut login = json!({"url": "https://h/l", "token_pointer": "/t"});
        login.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        login
    };
    let cases = [
        (json!({"headers": {"X-Sig": "a"}, "sign": sign("x-sig")}), "/settings/headers/X-Sig"),
        (
            json!({"headers": {"X-Signature-256": "a"}, "sign": "hmac_sha256"}),
            "/settings/headers/X-Signature-256",
        ),
        (json!({"login": login(json!({"header": "X-S"})), "sign": sign("x-s")}), "/settings/login/header"),
        (json!({"headers": {"X": "a"}, "login": login(json!({"header": "x"}))}), "/settings/login/header"),
        (json!({"sign": sign("Webhook-Id")}), "/settings/sign/header"),
        (json!({"sign": sign("Content-Type")}), "/settings/sign/header"),
        (json!({"login": login(json!({"header": "Content-Type"}))}), "/settings/login/header"),
        (json!({"headers": {"X-A": "a", "x-a": "{{ title }}"}}), "/settings/headers/x-a"),
        (json!({"headers": {"Api-Key": "a", "api-key": "b"}}), "/settings/headers/api-key"),
        (json!({"login": login(json!({"headers": {"X": "a", "x": "b"}}))}), "/settings/login/headers/x"),
        (json!({"headers": {"X-A": "a", "X-B": 2}}), "/settings/headers/X-B"),
        (json!({"headers": {"X-B": null}}), "/settings/headers/X-B"),
        (json!({"login": login(json!({"headers": {"X-B": 2}}))}), "/settings/login/headers/X-B"),
    ];
    for (mut settings, expected) in cases {
        settings["url"] = json!("https://im.example.com/send");
        assert_eq!(problems(&world, settings.clone(), &[("secret", "s")]), [expected], "{settings}");
    }
    let both = json!({"url": "https://h/x", "headers": {"X-Sig": "a"}, "sign": sign("X-Other")});
    world.build(Kind::Webhook, both.clone(), &[("secret", "s")], "");
    assert!(review(Kind::Webhook, both.as_object().unwrap(), &BTreeMap::new()).is_empty());
}

#[tokio::test]
async fn a_login_names_only_secrets_that_are_set() {
    let world = World::start(false).await;
    let login = json!({
        "url": "https://h/l?key={{ secret }}",
        "token_pointer": "/t",
        "headers": {"X-P": "{{ password }}"},
        "body": {"a/b": ["{{ password }}", "{{ secret }}", "{{ 'password' }}", 1]},
    });
    let settings = json!({"url": "https://h/x", "login": login});
    let (secret, password) = (("secret", "s"), ("password", "p"));
    let of_login = |at: &str| format!("/settings/login/{at}");
    for (secrets, expected) in [
        (&[][..], vec!["url", "body/a~1b/1", "headers/X-P", "body/a~1b/0"]),
        (&[secret, ("password", "")], vec!["headers/X-P", "body/a~1b/0"]),
        (&[secret, password], vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(of_login).collect();
        assert_eq!(problems(&world, settings.clone(), secrets), expected);
    }
    // A stored channel goes on as it did.
    world.build(Kind::Webhook, settings, &[], "");
}

#[tokio::test]
async fn what_is_refused_only_when_it_is_put_does_not_stop_a_stored_channel() {
    let world = World::start(false).await;
    let seldom = "{% if data.seldom %}{{ title | nope }}{% endif %}x";
    let settings = json!({
        "url": format!("http://127.0.0.1:1/{seldom}"),
        "headers": {"X-A": "first", "x-a": "{{ data.last }}", "X-B": seldom, "X-Signature-256": "a"},
        "body": {"a/b": [seldom]},
        "sign": "hmac_sha256",
    });
    let channel = world.build(Kind::Webhook, settings.clone(), &[("secret", "s")], "");
    let payload =
        &render(&*channel, json!({"seldom": false, "last": "last"}), None).unwrap().parts[0].payload;
    assert_eq!(payload["url"], "http://127.0.0.1:1/x");
    assert_eq!(payload["headers"]["x-a"], "last");
    assert_eq!(payload["body"], json!({"a/b": ["x"]}));
    let refused = ["headers/X-Signature-256", "headers/x-a", "url", "headers/X-B", "body/a~1b/0"];
    assert_eq!(problems(&world, settings, &[("secret", "s")]), refused.map(|at| format!("/settings/{at}")));
}
