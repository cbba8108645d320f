//! What has to be done so that the center is as the files say.

use serde_json::Value;
use similar::TextDiff;

use super::collections::{COLLECTIONS, Collection, Declared};
use super::secrets::{self, Resolved};
use crate::client::http::{Client, Failure};

/// One resource to put.
pub(super) struct Step {
    /// `channels/ops-robot`.
    pub(super) name: String,
    /// Where it is put.
    pub(super) path: String,
    /// What is put.
    pub(super) body: Value,
    /// Whether there was none before.
    pub(super) new: bool,
    /// What changes, as people read it; no secret is in it.
    pub(super) diff: String,
}

/// The steps, and how many resources are as they should be already.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) same: usize,
}

/// Compares what is declared with what the center has. Names every variable that is missing before anything is done.
///
/// A secret cannot be compared. It goes along with a resource that changes; with `secrets` it is sent in any case.
pub(super) async fn plan(client: &Client, declared: &Declared, secrets: bool) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let mut missing = Vec::new();
    for collection in &COLLECTIONS {
        let Some(resources) = declared.get(collection.word) else { continue };
        let stored = collection.fetch(client).await?;
        for (name, resource) in resources {
            let stored = stored.get(name);
            let read = |name: &str| std::env::var(name).ok();
            let Resolved { body, missing: unset, given } = secrets::resolve(resource, stored, &read);
            let full = format!("{}/{name}", collection.word);
            missing.extend(unset.into_iter().map(|(variable, at)| format!("  {variable} for {full}{at}")));
            let diff = diff(collection, name, stored, resource)?;
            if diff.is_empty() && !(secrets && given) {
                plan.same += 1;
                continue;
            }
            let path = collection.path(name)?;
            plan.steps.push(Step { name: full, path, body, new: stored.is_none(), diff });
        }
    }
    if missing.is_empty() {
        Ok(plan)
    } else {
        Err(format!("nothing was changed; set these environment variables:\n{}", missing.join("\n")).into())
    }
}

/// The lines that change. Secrets stand there as names of variables on both sides.
fn diff(
    collection: &Collection,
    name: &str,
    stored: Option<&Value>,
    declared: &Value,
) -> Result<String, Failure> {
    let declared = collection.plain(declared);
    let before = match stored {
        Some(stored) => yaml(&with_names_of(stored, &declared, collection.word, name))?,
        None => String::new(),
    };
    let after = yaml(&declared)?;
    if before == after {
        return Ok(String::new());
    }
    Ok(TextDiff::from_lines(&before, &after).unified_diff().context_radius(2).to_string())
}

/// What is stored, its secrets under the variables that the file names for them.
fn with_names_of(stored: &Value, declared: &Value, word: &str, name: &str) -> Value {
    let mut named = stored.clone();
    secrets::refer(word, name, &mut named);
    take_names(&mut named, declared);
    in_order_of(named, declared)
}

/// The fields of a resource in the order that the file has them in: it says nothing. What is inside of a field keeps its order,
/// because templates see that of `data`.
fn in_order_of(stored: Value, declared: &Value) -> Value {
    match (stored, declared) {
        (Value::Object(mut stored), Value::Object(declared)) => {
            let mut ordered = serde_json::Map::new();
            for field in declared.keys() {
                ordered.extend(stored.shift_remove_entry(field));
            }
            ordered.extend(stored);
            Value::Object(ordered)
        }
        (stored, _) => stored,
    }
}

fn take_names(stored: &mut Value, declared: &Value) {
    let is_reference =
        |value: &Value| value.as_object().is_some_and(|f| f.len() == 1 && f.contains_key("env"));
    match (stored, declared) {
        (stored, declared) if is_reference(stored) && is_reference(declared) => *stored = declared.clone(),
        (Value::Object(stored), Value::Object(declared)) => {
            for (field, inner) in stored {
                if let Some(declared) = declared.get(field) {
                    take_names(inner, declared);
                }
            }
        }
        _ => {}
    }
}

fn yaml(value: &Value) -> Result<String, Failure> {
    Ok(serde_saphyr::to_string(value)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_a_difference() {
        let channels = Collection::of("channels").unwrap();
        let stored = json!({"kind": "wecom_robot", "secrets": {"key": {"set": true}}});
        let same = json!({"kind": "wecom_robot", "enabled": true, "secrets": {"key": {"env": "MY_KEY"}}});
        assert_eq!(diff(channels, "ops", Some(&stored), &same).unwrap(), "");
        let other = json!({"kind": "wecom_robot", "on_doubt": "hold", "secrets": {"key": {"env": "MY_KEY"}}});
        let lines = diff(channels, "ops", Some(&stored), &other).unwrap();
        assert!(lines.contains("+on_doubt: hold") && !lines.contains("-secrets"), "{lines}");
        let turned = json!({"secrets": {"key": {"env": "MY_KEY"}}, "kind": "wecom_robot"});
        assert_eq!(
            diff(channels, "ops", Some(&stored), &turned).unwrap(),
            "",
            "the order of fields says nothing"
        );
        assert!(diff(channels, "new", None, &json!({})).unwrap().contains("+{}"));
    }
}
