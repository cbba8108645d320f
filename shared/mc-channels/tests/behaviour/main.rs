//! Every kind of channel against its counterpart in the sandbox.

// `cfg(test)` tells clippy that helpers are test code too.
#[cfg(test)]
mod degrading;
#[cfg(test)]
mod dingtalk;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod example;
#[cfg(test)]
mod fakes;
#[cfg(test)]
mod feishu;
#[cfg(test)]
mod known;
#[cfg(test)]
mod login;
#[cfg(test)]
mod mentions;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod ses;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod slack;
#[cfg(test)]
mod smtp_proxy;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod webhook;
#[cfg(test)]
mod webhook_settings;
#[cfg(test)]
mod wechat;
#[cfg(test)]
mod wecom;
#[cfg(test)]
mod world;
#[cfg(test)]
mod wrong_secret;
