//! What answers mean, over the bodies in `fixtures/answers.json`.

use std::collections::BTreeMap;

use bytes::Bytes;
use mc_core::Secret;
use mc_core::model::{Kind, Limits};
use mc_core::ports::{HttpResponse, Route};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{api, config};
use crate::registry::Setup;

#[derive(Deserialize)]
struct Case {
    why: String,
    settings: Map<String, Value>,
    status: u16,
    body: String,
    expected: String,
}

#[test]
fn every_answer_has_its_meaning() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/answers.json")).unwrap();
    let token = Secret::new("t0ken/of+the login");
    for case in cases {
        let secrets = BTreeMap::from([("secret".to_owned(), Secret::new("s3cret-value"))]);
        let setup = Setup {
            project: "default",
            name: "im",
            kind: Kind::Webhook,
            settings: &case.settings,
            secrets: &secrets,
            base_url: None,
            route: Route::default(),
            limits: Limits::default(),
        };
        let config = config::read(&setup).ok().unwrap();
        let response = HttpResponse {
            status: case.status,
            retry_after: None,
            content_type: None,
            body: Bytes::from(case.body),
        };
        let outcome = match api::judge(&config, &response, Some(&token)) {
            Ok(receipt) => format!("sent {:?}", receipt.platform_id),
            Err(error) => format!("{:?} {} {}", error.failure, error.code, error.text),
        };
        assert_eq!(outcome, case.expected, "{}", case.why);
    }
}
