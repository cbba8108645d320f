//! Sends through DingTalk.

fn main() -> std::process::ExitCode {
    mc_lambda::send(mc_core::ports::Family::Dingtalk)
}
