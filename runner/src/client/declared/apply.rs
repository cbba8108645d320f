//! `apply`: makes a center as files say.

use super::files;
use super::plan::{Step, plan};
use crate::cli::ApplyArgs;
use crate::client::http::{Client, Failure, block_on};

/// Applies files, or shows what would change.
pub fn apply(args: ApplyArgs) -> Result<(), Failure> {
    let declared = files::read(&args.file)?;
    let client = Client::new(args.access)?;
    block_on(async {
        let plan = plan(&client, &declared, args.secrets).await?;
        if args.dry_run {
            for step in &plan.steps {
                println!("{} {}", if step.new { "would make" } else { "would change" }, step.name);
                print!("{}", step.diff);
            }
            println!("{} would change, {} as they should be", plan.steps.len(), plan.same);
            return Ok(());
        }
        let done = plan.steps.len();
        run(&client, plan.steps).await?;
        println!("{done} changed, {} as they should be", plan.same);
        Ok(())
    })
}

/// Puts everything. What is refused is tried again as long as something else succeeds, as it may build on it.
async fn run(client: &Client, mut steps: Vec<Step>) -> Result<(), Failure> {
    loop {
        let (before, mut refused) = (steps.len(), Vec::new());
        for step in steps {
            match client.call("PUT", &step.path, Some(&step.body), &[]).await {
                Ok(_) => println!("{} {}", if step.new { "made" } else { "changed" }, step.name),
                Err(error) => refused.push((step, error)),
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        if refused.len() == before {
            let texts: Vec<String> = refused.iter().map(|(step, e)| format!("{}: {e}", step.name)).collect();
            return Err(texts.join("\n").into());
        }
        steps = refused.into_iter().map(|(step, _)| step).collect();
    }
}
