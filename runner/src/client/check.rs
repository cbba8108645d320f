//! `check`: a channel before the first message goes through it.

use super::http::{Client, Failure, block_on};
use crate::cli::CheckArgs;

/// Checks a channel and prints each step with what to do about it.
pub fn check(args: CheckArgs) -> Result<(), Failure> {
    if !mc_core::id::is_name(&args.channel) {
        return Err(format!("{:?} is not a channel's name", args.channel).into());
    }
    let client = Client::new(args.access)?;
    let answer = block_on(client.call("POST", &format!("/v1/channels/{}/check", args.channel), None, &[]))?;
    for step in answer["steps"].as_array().into_iter().flatten() {
        let mark = if step["ok"].as_bool() == Some(true) { "ok  " } else { "FAIL" };
        println!(
            "{mark} {}: {}",
            step["name"].as_str().unwrap_or("?"),
            step["detail"].as_str().unwrap_or("")
        );
        if let Some(next) = step["next_step"].as_str() {
            println!("       {next}");
        }
    }
    if answer["ok"].as_bool() == Some(true) { Ok(()) } else { Err("the channel is not ready".into()) }
}
