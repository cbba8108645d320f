//! The management API.

fn main() -> std::process::ExitCode {
    mc_lambda::console()
}
