//! Looks at what the platforms still allow.

fn main() -> std::process::ExitCode {
    mc_lambda::quota()
}
