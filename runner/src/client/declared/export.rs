//! `export`: writes down what a center has.

use mc_core::Timestamp;
use serde_json::Value;

use super::collections::{COLLECTIONS, Declared, Named, OWN};
use super::secrets::Variables;
use super::suspects::suspects;
use super::{files, secrets};
use crate::cli::ExportArgs;
use crate::client::http::{Client, Failure, block_on};

/// Writes the configuration to standard output, or into a folder with a file per resource.
pub fn export(args: ExportArgs) -> Result<(), Failure> {
    let client = Client::new(args.access)?;
    let declared = block_on(read(&client))?;
    match args.output {
        Some(folder) => {
            let written = files::write(&folder, &declared)?;
            eprintln!("{written} files in {}", folder.display());
        }
        None => print!("{}", files::text(&declared)?),
    }
    Ok(())
}

/// All that can be applied elsewhere. What is not as one would expect is told on standard error.
async fn read(client: &Client) -> Result<Declared, Failure> {
    let (mut declared, mut variables) = (Declared::new(), Variables::default());
    for collection in &COLLECTIONS {
        let mut resources = Named::new();
        for (name, answer) in collection.fetch(client).await? {
            let name = if collection.word == "projects" { OWN.to_owned() } else { name };
            let full = collection.label(&name);
            if let Some(why) = over(&answer, client.now()) {
                eprintln!("{full} is left out: {why}");
                continue;
            }
            let mut resource = collection.plain(&answer);
            secrets::refer(collection.word, &name, &mut resource, &mut variables);
            for variable in variables.numbered.drain(..) {
                eprintln!("{full} has the variable {variable}: without the number it is another one's");
            }
            for place in suspects(&resource) {
                eprintln!("warning: {full}{place} is called like a secret, and it is in the export in clear");
            }
            resources.insert(name, resource);
        }
        if !resources.is_empty() {
            declared.insert(collection.word, resources);
        }
    }
    Ok(declared)
}

/// Why no other center would take this schedule, if it is one that is over.
fn over(answer: &Value, now: Timestamp) -> Option<&'static str> {
    let time = |value: &Value| value.as_str().and_then(Timestamp::parse);
    let runs = answer["next_runs"].as_array()?;
    if runs.is_empty() && time(&answer["at"]).is_some_and(|at| at <= now) {
        return Some("its time has passed, and it will not run again");
    }
    // One that is paused does not say when it would run.
    let next = runs.first().and_then(time).unwrap_or(now);
    let ends = time(&answer["message"]["expire_at"]).is_some_and(|end| end <= next);
    ends.then_some("its message expires before its next run, and nothing would be sent")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schedule_is_over_when_its_one_time_has_passed() {
        let now = Timestamp::parse("2026-12-01T09:00:00Z").unwrap();
        let is_over = |answer: Value| over(&answer, now).is_some();
        assert!(is_over(json!({"at": "2026-12-01T08:00:00.000Z", "next_runs": []})));
        let due = json!({"at": "2026-12-01T08:59:59.000Z", "next_runs": ["2026-12-01T08:59:59Z"]});
        assert!(!is_over(due));
        assert!(!is_over(json!({"at": "2026-12-01T10:00:00.000Z", "next_runs": []})), "it is paused");
        assert!(!is_over(json!({"cron": "0 9 * * *", "next_runs": []})), "it is paused");
        assert!(!is_over(json!({"kind": "wecom_robot"})));
    }

    #[test]
    fn a_schedule_is_over_when_its_message_expires_before_its_next_run() {
        let now = Timestamp::parse("2026-12-01T09:00:00Z").unwrap();
        let is_over = |end: &str, runs: &[&str]| {
            let message = json!({"content": {"body": "x"}, "expire_at": end});
            let schedule = json!({"cron": "0 18 * * *", "message": message, "next_runs": runs});
            over(&schedule, now).is_some_and(|why| why.starts_with("its message expires"))
        };
        let evening = ["2026-12-01T18:00:00+00:00", "2026-12-02T18:00:00+00:00"];
        for (end, when_it_runs, when_paused) in [
            ("2026-12-01T10:00:00+08:00", true, true),
            ("2026-12-01T18:00:00Z", true, false),
            ("2026-12-01T18:30:00Z", false, false),
        ] {
            assert_eq!((is_over(end, &evening), is_over(end, &[])), (when_it_runs, when_paused), "{end}");
        }
    }
}
