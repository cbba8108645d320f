//! What is different between two versions of a template.

use mc_content::escape_member;
use mc_core::model::{TemplateBody, TemplateDoc};
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;
use utoipa::ToSchema;

use crate::answer::{Answer, ok};
use crate::call::Call;
use crate::problem::ApiError;

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// The differences between two versions.
#[derive(Serialize, ToSchema)]
pub(crate) struct Difference {
    /// The version that is looked at.
    from: u32,
    /// The version it is compared with.
    to: u32,
    /// One per field that differs, in the order of the fields.
    changes: Vec<Change>,
}

/// A field that differs.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Change {
    /// Where it is: `/body`, `/channels/ops/title`.
    pointer: String,
    /// What it was; left out if it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    from: Option<Value>,
    /// What it is; left out if it is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    to: Option<Value>,
    /// Of a text, a unified diff by lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    diff: Option<String>,
}

/// Compare two versions of a template
///
/// Field by field; texts with a unified diff. Without `to` the version is compared with the current one; of one that waits for
/// approval it is said what it would change.
#[utoipa::path(
    get, path = "/v1/templates/{name}/versions/{version}/diff", tag = "templates",
    operation_id = "compare_template_versions",
    params(
        ("name" = String, Path), ("version" = u32, Path),
        ("to" = Option<u32>, Query, description = "The version to compare with; the current one by default."),
    ),
    responses((status = 200, description = "What is different", body = Difference))
)]
pub async fn diff(call: Call) -> Answer {
    let name = call.name("name", "template")?;
    let no_version = || ApiError::not_found("version");
    let from = call.name("version", "version")?.parse().map_err(|_| no_version())?;
    let templates = &call.center().templates;
    let from = templates.version_doc(call.project(), name, from).await?.ok_or_else(no_version)?;
    let to: TemplateDoc = match call.query.get("to") {
        Some(to) => {
            let wrong = || ApiError::field("unknown_version", "/to", format!("there is no version {to:?}"));
            let to = to.parse().map_err(|_| wrong())?;
            templates.version_doc(call.project(), name, to).await?.ok_or_else(wrong)?
        }
        None => {
            let current = templates.current(call.project(), name).await?;
            TemplateDoc::clone(&current.ok_or_else(|| ApiError::not_found("template"))?.doc)
        }
    };
    // What waits for approval is read as the change it would make.
    let waits = call.query.get("to").is_none() && from.version > to.version;
    let (from, to) = if waits { (to, from) } else { (from, to) };
    ok(&Difference { from: from.version, to: to.version, changes: changes(&from.body, &to.body)? })
}

fn changes(from: &TemplateBody, to: &TemplateBody) -> Result<Vec<Change>, ApiError> {
    let json = |body| serde_json::to_value(body).map_err(|_| ApiError::internal("a template is not JSON"));
    let mut changes = Vec::new();
    compare("", Some(&json(from)?), Some(&json(to)?), &mut changes);
    Ok(changes)
}

/// Collects what differs below a place.
fn compare(pointer: &str, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<Change>) {
    match (from, to) {
        (from, to) if from == to => {}
        (Some(Value::Object(from)), Some(Value::Object(to))) => {
            let added = to.keys().filter(|key| !from.contains_key(*key));
            for key in from.keys().chain(added) {
                compare(&format!("{pointer}/{}", escape_member(key)), from.get(key), to.get(key), changes);
            }
        }
        (Some(Value::Array(from)), Some(Value::Array(to))) => {
            for at in 0..from.len().max(to.len()) {
                compare(&format!("{pointer}/{at}"), from.get(at), to.get(at), changes);
            }
        }
        (from, to) => {
            let diff = from.and_then(Value::as_str).zip(to.and_then(Value::as_str)).map(|(from, to)| {
                let lines = TextDiff::from_lines(from, to);
                lines.unified_diff().context_radius(CONTEXT).missing_newline_hint(false).to_string()
            });
            let pointer = pointer.to_owned();
            changes.push(Change { pointer, from: from.cloned(), to: to.cloned(), diff });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn between(from: Value, to: Value) -> Vec<Change> {
        let body = |value| serde_json::from_value::<TemplateBody>(value).unwrap();
        changes(&body(from), &body(to)).unwrap_or_default()
    }

    #[test]
    fn texts_are_compared_by_lines_and_everything_else_as_a_whole() {
        let from = json!({
            "title": "t", "body": "one\ntwo\nthree\n", "facts": [{"label": "a", "value": "b"}],
            "channels": {"a/b": {"title": "x"}}, "level": "info",
        });
        let to = json!({
            "title": "t", "body": "one\n2\nthree\n", "facts": [], "url": "https://x.example",
            "channels": {"a/b": {"title": "x", "format": "html"}}, "level": "danger",
        });
        let found = between(from, to);
        let pointers: Vec<&str> = found.iter().map(|change| change.pointer.as_str()).collect();
        assert_eq!(pointers, ["/body", "/facts", "/level", "/channels/a~1b/format", "/url"]);
        assert_eq!(found[0].diff.as_deref(), Some("@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"));
        assert_eq!((found[1].to.as_ref(), found[1].diff.as_ref()), (None, None));
        assert_eq!((&found[4].from, &found[4].to), (&None, &Some(json!("https://x.example"))));
        assert_eq!(between(json!({"body": "x"}), json!({"body": "x", "title": ""})), []);
    }
}
