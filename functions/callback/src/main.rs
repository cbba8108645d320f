//! Hears from platforms and from SES.

fn main() -> std::process::ExitCode {
    mc_lambda::callback()
}
