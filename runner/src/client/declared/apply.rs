//! `apply`: makes a center as files say.

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::files;
use super::plan::{Plan, Step, plan};
use super::schema::Document;
use crate::cli::ApplyArgs;
use crate::client::http::{Client, Failure, block_on};

/// How many resources of a collection are put at once.
const AT_ONCE: usize = 16;

/// Applies files, or shows what would change.
pub fn apply(args: ApplyArgs) -> Result<(), Failure> {
    let declared = files::read(&args.file)?;
    let client = Client::new(args.access)?;
    block_on(async {
        let plan = plan(&client, declared, args.secrets).await?;
        for place in &plan.clear {
            eprintln!(
                "warning: {place} is a secret in a file; name an environment variable there, {{env: NAME}}"
            );
        }
        if args.dry_run {
            return show(&client, &plan).await;
        }
        let failed = run(&client, &plan.steps).await;
        println!("{}", tally(&plan, failed.len()));
        if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
    })
}

/// Shows what would be done. What the center's own document says no to is an error.
async fn show(client: &Client, plan: &Plan) -> Result<(), Failure> {
    let document = Document::fetch(client).await?;
    let mut wrong = Vec::new();
    for Step { collection, name, body, new, diff, .. } in &plan.steps {
        println!("{} {name}", if *new { "would make" } else { "would change" });
        print!("{diff}");
        wrong.extend(document.mistakes(collection, body).into_iter().map(|what| format!("\n  {name}{what}")));
    }
    println!("{} would change, {}", plan.steps.len(), rest(plan));
    if wrong.is_empty() { Ok(()) } else { Err(format!("this would be refused:{}", wrong.concat()).into()) }
}

/// How many resources were changed, though others failed, and how many are left alone.
fn tally(plan: &Plan, failed: usize) -> String {
    let changed = plan.steps.len() - failed;
    let failed = if failed == 0 { String::new() } else { format!("{failed} failed, ") };
    format!("{changed} changed, {failed}{}", rest(plan))
}

/// How many resources are left alone, and why.
fn rest(plan: &Plan) -> String {
    let same = format!("{} as they should be", plan.same);
    if plan.waiting == 0 { same } else { format!("{same}, {} waiting for approval", plan.waiting) }
}

/// Puts everything, collection by collection. What is refused is tried again as long as something else succeeds, as it
/// may build on it. Answers what failed in the end, each with its name.
async fn run(client: &Client, steps: &[Step]) -> Vec<String> {
    let mut waiting: Vec<&Step> = steps.iter().collect();
    while !waiting.is_empty() {
        let mut refused = Vec::new();
        for section in waiting.chunk_by(|a, b| a.collection.word == b.collection.word) {
            // Answers come in the order of the steps, whichever is there first.
            let answers =
                stream::iter(section.iter().copied()).map(|step| put(client, step)).buffered(AT_ONCE);
            let mut answers = std::pin::pin!(answers);
            while let Some((step, answer)) = answers.next().await {
                match answer {
                    Ok(answer) => {
                        println!("{} {}", if step.new { "made" } else { "changed" }, step.name);
                        warn(&step.name, &answer);
                    }
                    Err(error) => refused.push((step, error)),
                }
            }
        }
        if refused.len() == waiting.len() {
            return refused.iter().map(|(step, e)| format!("{}: {e}", step.name)).collect();
        }
        waiting = refused.into_iter().map(|(step, _)| step).collect();
    }
    Vec::new()
}

/// Tells what the center took, and takes for a mistake, and what nobody sees again.
fn warn(name: &str, answer: &Value) {
    // Only the answer that made it has the secret itself. It is not shown here: output is kept in logs.
    if answer["secret"].is_string() {
        eprintln!(
            "warning: {name} has a signing secret that the center made and nobody knows; \
             give your own, secret: {{env: NAME}}"
        );
    }
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        let text = |field: &str| warning[field].as_str().unwrap_or_default();
        eprintln!("warning: {name}{}: {}", text("at"), text("detail"));
    }
}

async fn put<'a>(client: &Client, step: &'a Step) -> (&'a Step, Result<Value, Failure>) {
    (step, client.call("PUT", &step.path, Some(&step.body), &[]).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::declared::collections::Collection;

    #[test]
    fn what_was_changed_is_counted_where_something_failed_too() {
        let step = |name: &str| Step {
            collection: Collection::of("channels").unwrap(),
            name: format!("channels/{name}"),
            path: format!("/v1/channels/{name}"),
            body: Value::Null,
            new: true,
            diff: String::new(),
        };
        let mut plan = Plan { steps: ["a", "b", "c"].map(step).into(), same: 4, ..Plan::default() };
        assert_eq!(tally(&plan, 0), "3 changed, 4 as they should be");
        plan.waiting = 1;
        assert_eq!(tally(&plan, 2), "1 changed, 2 failed, 4 as they should be, 1 waiting for approval");
    }
}
