//! Sends through webhooks, and tells callers their results.

fn main() -> std::process::ExitCode {
    mc_lambda::send(mc_core::ports::Family::Webhook)
}
