//! Takes messages.

fn main() -> std::process::ExitCode {
    mc_lambda::ingest()
}
