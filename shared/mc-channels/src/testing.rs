//! What the unit tests of the kinds share.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use mc_content::FieldError;
use mc_core::Secret;
use mc_core::model::{Kind, Limits, Recipient};
use mc_core::ports::{FileInfo, HttpResponse, RenderContext, Route, SendError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::registry::Setup;

/// How a kind reads its configuration.
type Read<T> = fn(&Setup<'_>) -> Result<T, Vec<FieldError>>;

/// Reads a configuration. Problems are told by their places, and show nothing of a secret with `hunter2` in it.
pub(crate) fn try_read<T>(
    read: Read<T>,
    settings: &Value,
    secrets: &[(&str, &str)],
    base_url: Option<&str>,
) -> Result<T, Vec<String>> {
    try_read_on(Route::default(), read, settings, secrets, base_url)
}

/// The same on a way out of the channel's own.
pub(crate) fn try_read_on<T>(
    route: Route,
    read: Read<T>,
    settings: &Value,
    secrets: &[(&str, &str)],
    base_url: Option<&str>,
) -> Result<T, Vec<String>> {
    let opened: BTreeMap<_, _> =
        secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    let setup = Setup {
        project: "default",
        name: "ops",
        // Whoever reads has been chosen by it.
        kind: Kind::Webhook,
        settings: settings.as_object().unwrap(),
        secrets: &opened,
        base_url,
        route,
        limits: Limits::default(),
    };
    read(&setup).map_err(|problems| {
        assert!(!format!("{problems:?}").contains("hunter2"), "a secret is shown: {problems:?}");
        problems.into_iter().map(|problem| problem.pointer).collect()
    })
}

/// What surrounds a content in the tests of rendering.
pub(crate) fn context<'a>(
    to: &'a [Recipient],
    files: &'a [FileInfo],
    overrides: Option<&'a Value>,
) -> RenderContext<'a> {
    static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    RenderContext {
        project: "default",
        message: "msg_01HF7YAT31000000000000001A".parse().unwrap(),
        delivery: "dlv_1",
        to,
        data: &EMPTY,
        params: &EMPTY,
        overrides,
        files,
    }
}

/// An answer of a platform, and what it has to be taken for.
#[derive(Deserialize)]
pub(crate) struct Case {
    #[serde(default = "ok")]
    pub(crate) status: u16,
    content_type: Option<String>,
    /// In seconds.
    retry_after: Option<u64>,
    pub(crate) body: String,
    expected: String,
    /// What a kind says of its own cases.
    #[serde(flatten)]
    own: Map<String, Value>,
}

fn ok() -> u16 {
    200
}

impl Case {
    /// The answer.
    pub(crate) fn response(&self) -> HttpResponse {
        HttpResponse {
            status: self.status,
            retry_after: self.retry_after.map(Duration::from_secs),
            content_type: self.content_type.clone(),
            body: self.body.clone().into(),
        }
    }

    /// Whether the case is marked so.
    pub(crate) fn is(&self, mark: &str) -> bool {
        self.own.get(mark) == Some(&Value::Bool(true))
    }
}

/// Judges every answer of a kind's fixtures. `judge` says what a success is, `more` what is known of a failure besides its
/// class and its code. No failure shows one of the secrets.
pub(crate) fn judge_all(
    fixtures: &str,
    secrets: &[&str],
    judge: impl Fn(&Case) -> Result<String, SendError>,
    more: impl Fn(&SendError) -> &'static str,
) {
    for case in serde_json::from_str::<Vec<Case>>(fixtures).unwrap() {
        let outcome = judge(&case).unwrap_or_else(|error| {
            let said = error.to_string();
            assert!(secrets.iter().all(|secret| !said.contains(secret)), "{said}");
            format!("{:?} {} {}", error.failure, error.code, more(&error))
        });
        assert_eq!(outcome.trim_end(), case.expected.trim_end(), "{}", case.body);
    }
}
