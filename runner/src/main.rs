//! The single binary: the whole message center on one machine, and a client for people and scripts.

mod cli;
mod client;
mod config;
mod serve;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = match cli::Cli::parse().command {
        cli::Command::Serve(args) => serve::main(args),
        cli::Command::Send(args) => client::send(args),
        cli::Command::Check(args) => client::check(args),
        cli::Command::Export(args) => client::export(args),
        cli::Command::Apply(args) => client::apply(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("message-center: {error}");
            ExitCode::FAILURE
        }
    }
}
