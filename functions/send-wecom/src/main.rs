//! Sends through WeCom.

fn main() -> std::process::ExitCode {
    mc_lambda::send(mc_core::ports::Family::Wecom)
}
