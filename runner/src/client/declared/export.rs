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
            if is_over(&answer, client.now()) {
                eprintln!("{full} is left out: its time has passed, and it will not run again");
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

/// Whether this is a schedule for one time that has passed: no other center would take it.
fn is_over(answer: &Value, now: Timestamp) -> bool {
    let passed = answer["at"].as_str().and_then(Timestamp::parse).is_some_and(|at| at <= now);
    passed && answer["next_runs"].as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schedule_is_over_when_its_one_time_has_passed() {
        let now = Timestamp::parse("2026-12-01T09:00:00Z").unwrap();
        assert!(is_over(&json!({"at": "2026-12-01T08:00:00.000Z", "next_runs": []}), now));
        assert!(!is_over(
            &json!({"at": "2026-12-01T08:59:59.000Z", "next_runs": ["2026-12-01T08:59:59Z"]}),
            now
        ));
        assert!(!is_over(&json!({"at": "2026-12-01T10:00:00.000Z", "next_runs": []}), now), "it is paused");
        assert!(!is_over(&json!({"cron": "0 9 * * *", "next_runs": []}), now), "it is paused");
        assert!(!is_over(&json!({"kind": "wecom_robot"}), now));
    }
}
