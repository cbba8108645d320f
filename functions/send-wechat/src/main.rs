//! Sends through WeChat.

fn main() -> std::process::ExitCode {
    mc_lambda::send(mc_core::ports::Family::Wechat)
}
