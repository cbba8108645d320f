//! Queues what has become due.

fn main() -> std::process::ExitCode {
    mc_lambda::schedule()
}
