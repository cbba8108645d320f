//! Looking at an app without sending anything.

use mc_core::ports::{CheckStep, HttpRequest, SendError, SendFailure, Token};
use std::net::IpAddr;

use super::DingtalkApp;
use super::table::judge;
use crate::reach::{self, failed, passed};

/// A task that nobody has: asking for it shows whether the app may ask at all.
const NO_TASK: &str = "1";

impl DingtalkApp {
    pub(super) async fn look(&self) -> Vec<CheckStep> {
        let mut steps = vec![self.settings()];
        steps.extend(reach::reach(&*self.ports.http, &self.route, &self.config.base_url).await);
        if steps.iter().all(|step| step.ok) {
            self.login(&mut steps).await;
        }
        steps
    }

    fn settings(&self) -> CheckStep {
        let told = match (&self.config.token, self.config.crypts.is_empty()) {
            (Some(_), false) => "callbacks are signed and encrypted",
            _ => "callbacks are not taken without token and aes_key; results are asked for all the same",
        };
        passed("settings", format!("app {}, agent {}; {told}", self.config.app_key, self.config.agent_id))
    }

    /// Asks for a token, whatever is kept, and makes a harmless call with it.
    async fn login(&self, steps: &mut Vec<CheckStep>) {
        let token = match self.fetch_token().await {
            Ok(token) => token,
            Err(error) => {
                let detail = format!("DingTalk refuses a token: {error}");
                return steps.push(failed("login", detail, next_step(&error)));
            }
        };
        steps.push(passed("login", format!("DingTalk gave a token for {} s", token.lives.as_secs())));
        steps.push(match self.try_app(&token).await {
            Ok(()) => passed("app", "DingTalk takes calls of this app from this address"),
            Err(error) => {
                failed("app", format!("DingTalk takes no calls of this app: {error}"), next_step(&error))
            }
        });
    }

    async fn try_app(&self, token: &Token) -> Result<(), SendError> {
        let body = self.of_task("task_id", NO_TASK)?.to_string();
        let url = self.url("/topapi/message/corpconversation/getsendprogress", &token.value, "");
        let response = self.request(HttpRequest::post_json(url, body)).await?;
        match judge(&response, &self.config, Some(&token.value)) {
            // That it does not know the task is what was to be shown.
            Err(error) if error.failure == SendFailure::Permanent => Ok(()),
            result => result.map(drop),
        }
    }
}

fn next_step(error: &SendError) -> String {
    let next = match (error.code.as_str(), error.failure) {
        ("proxy", _) => reach::CHECK_PROXY,
        ("40096" | "40089" | "40035", _) => {
            "copy app_key and app_secret anew from the app's page 凭证与基础信息 (Client ID and Client Secret)"
        }
        ("60020", _) => {
            let address = address_in(&error.text);
            let address =
                address.map_or_else(|| "the address in the message".to_owned(), |ip| ip.to_string());
            return format!(
                "add {address} to the app's page 安全设置 → 服务器出口IP, or set a proxy with a fixed address"
            );
        }
        ("40056" | "41028", _) => "copy agent_id (AgentId) from the page 凭证与基础信息 of the same app",
        ("60011" | "41044", _) => {
            "grant the app the permission that the message names on its page 权限管理, and publish a version"
        }
        ("90020" | "90030", _) => {
            "the organisation's calls of this month are used up; buy more, or wait for the next month"
        }
        (_, SendFailure::Throttled { .. } | SendFailure::Transient { .. }) => "try again in a minute",
        _ => "compare app_key, app_secret, agent_id and base_url with the app's page 凭证与基础信息",
    };
    next.to_owned()
}

/// The address in DingTalk's words.
fn address_in(text: &str) -> Option<IpAddr> {
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':')));
    words
        .map(|word| word.trim_matches(['.', ':']))
        .filter(|word| word.len() > 3)
        .find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::failure;

    #[test]
    fn a_failure_of_the_proxy_leads_to_the_proxy() {
        let error = failure(SendFailure::Transient { after: None }, "proxy", "the proxy p:1 fails");
        assert_eq!(next_step(&error), reach::CHECK_PROXY);
    }

    #[test]
    fn the_address_to_allow_is_named() {
        for (text, address) in [
            ("访问ip不在白名单之中,request ip=203.0.113.7 appKey(ding1)", "203.0.113.7"),
            ("访问ip不在白名单之中,request ip=203.0.113.7", "203.0.113.7"),
            ("request ip: 2001:db8::7.", "2001:db8::7"),
            ("访问ip不在白名单之中", "the address in the message"),
        ] {
            let next = next_step(&failure(SendFailure::Channel, "60020", text));
            assert!(next.starts_with(&format!("add {address} to")), "{next}");
        }
    }
}
