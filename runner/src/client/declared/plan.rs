//! What has to be done so that the center is as the files say.

use serde_json::Value;
use similar::TextDiff;

use super::collections::{COLLECTIONS, Collection, Declared};
use super::project::Project;
use super::secrets::{self, HIDDEN, Resolved, Variables};
use crate::client::http::{Client, Failure};

/// What a difference says in place of a value that a variable has another one for.
const ANOTHER: &str = "(another value)";

/// One resource to put.
pub(super) struct Step {
    /// What it is one of.
    pub(super) collection: &'static Collection,
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

/// The steps, and what is left alone.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// How many resources are as they should be already.
    pub(super) same: usize,
    /// How many templates are as they should be as soon as somebody approves them.
    pub(super) waiting: usize,
    /// Where a secret stands in a file.
    pub(super) clear: Vec<String>,
}

/// Compares what is declared with what the center has. Names every variable that is missing before anything is done.
///
/// A secret cannot be compared. It goes along with a resource that changes; with `secrets` it is sent in any case.
pub(super) async fn plan(client: &Client, mut declared: Declared, secrets: bool) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let mut missing = Vec::new();
    let project = Project::fetch(client).await?;
    project.settle(&mut declared)?;
    for collection in &COLLECTIONS {
        let Some(resources) = declared.get(collection.word) else { continue };
        let answers = collection.fetch(client).await?;
        for (name, resource) in resources {
            let (full, path) = (collection.label(name), collection.path(name)?);
            let mut stored = answers.get(name).map(|answer| collection.plain(answer));
            // A pipeline without the secret often sets its variable to nothing.
            let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            let Resolved { body, missing: unset, given } = secrets::resolve(resource, stored.as_ref(), &read);
            if let Some(stored) = &mut stored {
                take_given(stored, resource, &body);
            }
            missing.extend(unset.into_iter().map(|(variable, at)| format!("  {variable} for {full}{at}")));
            let mut shown = resource.clone();
            let clear = secrets::hide(collection.word, &mut shown);
            let renew = secrets && (given || !clear.is_empty());
            plan.clear.extend(clear.into_iter().map(|at| format!("{full}{at}")));
            let diff = diff(collection, name, stored.as_ref(), &shown)?;
            if diff.is_empty() && !renew {
                plan.same += 1;
                continue;
            }
            let reviewed = collection.word == "templates" && project.approves_templates();
            if reviewed && stored.is_some() && waits(client, collection, &path, &body).await? {
                plan.waiting += 1;
                continue;
            }
            plan.steps.push(Step { collection, name: full, path, body, new: stored.is_none(), diff });
        }
    }
    if missing.is_empty() {
        Ok(plan)
    } else {
        Err(format!("nothing was changed; set these environment variables:\n{}", missing.join("\n")).into())
    }
}

/// Whether a template's newest version is what the file says and waits for its approval: to put it again changes nothing.
async fn waits(
    client: &Client,
    collection: &Collection,
    path: &str,
    declared: &Value,
) -> Result<bool, Failure> {
    let versions = client.call("GET", &format!("{path}/versions?limit=1"), None, &[]).await?;
    let newest = &versions["items"][0];
    let pending = newest["approval"]["state"].as_str() == Some("pending");
    Ok(pending && collection.plain(newest) == collection.plain(declared))
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

/// What is stored, its secrets as the file has them: under the variable that it names, or hidden.
fn with_names_of(stored: &Value, declared: &Value, word: &str, name: &str) -> Value {
    let mut named = stored.clone();
    if secrets::has_secrets(word) {
        secrets::refer(word, name, &mut named, &mut Variables::default());
        take_names(&mut named, stored, declared);
        leave_kept(&mut named, declared);
    }
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

/// Puts the variable that the file names where the center has its value, so that it is no difference. What a variable is to
/// change is not shown as it is: somebody keeps it out of the files.
fn take_given(stored: &mut Value, declared: &Value, given: &Value) {
    match (stored, declared, given) {
        (stored, declared, given) if secrets::reference(declared).is_some() => {
            let is_secret =
                secrets::is_mask(stored) || stored.as_str().is_some_and(|text| text.contains(HIDDEN));
            if *stored == *given {
                *stored = declared.clone();
            } else if !is_secret && given != declared {
                *stored = Value::from(ANOTHER);
            }
        }
        (Value::Object(stored), Value::Object(declared), Value::Object(given)) => {
            for (field, inner) in stored {
                if let (Some(declared), Some(given)) = (declared.get(field), given.get(field)) {
                    take_given(inner, declared, given);
                }
            }
        }
        (Value::Array(stored), Value::Array(declared), Value::Array(given)) => {
            for ((inner, declared), given) in stored.iter_mut().zip(declared).zip(given) {
                take_given(inner, declared, given);
            }
        }
        _ => {}
    }
}

/// Leaves out the secrets that the file says nothing of: what is put without them keeps them.
fn leave_kept(named: &mut Value, declared: &Value) {
    let Value::Object(fields) = named else { return };
    if let Some(Value::Object(secrets)) = fields.get_mut("secrets") {
        secrets.retain(|field, _| declared["secrets"].get(field).is_some());
        if secrets.is_empty() {
            fields.shift_remove("secrets");
        }
    }
    if declared.get("secret").is_none() {
        fields.shift_remove("secret");
    }
}

fn take_names(named: &mut Value, stored: &Value, declared: &Value) {
    let is_reference = |value: &Value| secrets::reference(value).is_some();
    match (named, declared) {
        (named, declared)
            if is_reference(named) && (is_reference(declared) || secrets::is_mask(declared)) =>
        {
            *named = declared.clone();
        }
        // A proxy is shown without its credentials, and so the rest of it is compared.
        (named, Value::String(_)) if is_reference(named) => {
            *named = if stored.is_string() { stored.clone() } else { Value::from(HIDDEN) };
        }
        (Value::Object(named), Value::Object(declared)) => {
            for (field, inner) in named {
                if let Some(declared) = declared.get(field) {
                    take_names(inner, &stored[field.as_str()], declared);
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

    #[test]
    fn a_secret_that_a_file_says_nothing_of_is_kept_and_no_difference() {
        let kind = |word: &str| Collection::of(word).unwrap();
        let channel =
            json!({"kind": "wecom_app", "secrets": {"secret": {"set": true}, "token": {"set": true}}});
        for declared in [
            json!({"kind": "wecom_app"}),
            json!({"kind": "wecom_app", "secrets": {}}),
            json!({"kind": "wecom_app", "secrets": {"token": {"env": "TOKEN"}}}),
            json!({"kind": "wecom_app", "secrets": {"token": {"set": true}}}),
        ] {
            assert_eq!(diff(kind("channels"), "ops", Some(&channel), &declared).unwrap(), "", "{declared}");
        }
        let taken = json!({"kind": "wecom_app", "secrets": {"token": null}});
        let lines = diff(kind("channels"), "ops", Some(&channel), &taken).unwrap();
        assert!(lines.contains("CHANNEL_OPS_TOKEN") && !lines.contains("CHANNEL_OPS_SECRET"), "{lines}");
        let webhook = json!({"url": "https://a.example.com", "secret": {"set": true}});
        let declared = json!({"url": "https://a.example.com"});
        assert_eq!(diff(kind("webhooks"), "w", Some(&webhook), &declared).unwrap(), "");
    }

    #[test]
    fn a_variable_that_has_the_value_is_no_difference() {
        let channels = Collection::of("channels").unwrap();
        let stored = json!({
            "kind": "webhook", "proxy": "http://***@proxy.example.com/",
            "settings": {"url": "https://im.example.com/hunter2", "headers": {"Authorization": {"set": true}}},
        });
        let declared = json!({
            "kind": "webhook", "proxy": {"env": "PROXY"},
            "settings": {"url": {"env": "IM"}, "headers": {"Authorization": {"env": "TOKEN"}}},
        });
        let lines = |url: &str| {
            let body = json!({
                "kind": "webhook", "proxy": "http://me:hunter3@proxy.example.com",
                "settings": {"url": url, "headers": {"Authorization": "hunter4"}},
            });
            let mut stored = stored.clone();
            take_given(&mut stored, &declared, &body);
            diff(channels, "im", Some(&stored), &declared).unwrap()
        };
        assert_eq!(lines("https://im.example.com/hunter2"), "");
        let other = lines("https://im.example.com/hunter5");
        assert!(other.contains(ANOTHER) && other.contains("env: IM") && !other.contains("hunter"), "{other}");
        // In what is the writer's own, `env` is a word.
        let mut sample = json!({"sample": {"env": "test"}});
        let written = json!({"sample": {"env": "prod"}});
        take_given(&mut sample, &written, &written);
        assert_eq!(sample, json!({"sample": {"env": "test"}}));
    }

    #[test]
    fn a_secret_in_a_file_is_neither_compared_nor_shown() {
        let channels = Collection::of("channels").unwrap();
        let proxy = "http://***@proxy.example.com/";
        let stored = json!({"kind": "wecom_robot", "secrets": {"key": {"set": true}}, "proxy": proxy});
        let hidden = |proxy: &str| {
            let mut declared = json!({"kind": "wecom_robot", "secrets": {"key": "hunter2"}, "proxy": proxy});
            secrets::hide("channels", &mut declared);
            declared
        };
        let same = hidden("http://me:hunter3@proxy.example.com");
        assert_eq!(diff(channels, "ops", Some(&stored), &same).unwrap(), "");
        let moved =
            diff(channels, "ops", Some(&stored), &hidden("http://me:hunter3@other.example.com")).unwrap();
        assert!(moved.contains("other.example.com") && !moved.contains("hunter"), "{moved}");
        let new = diff(channels, "ops", None, &same).unwrap();
        assert!(new.contains("+kind: wecom_robot") && !new.contains("hunter"), "{new}");
    }
}
