//! Looking at an app without sending anything.

use std::net::IpAddr;

use mc_core::ports::{CheckStep, SendError, SendFailure};

use super::WecomApp;
use super::api::get;
use crate::reach::{self, failed, passed};

impl WecomApp {
    pub(super) async fn look(&self) -> Vec<CheckStep> {
        let mut steps = vec![self.settings()];
        steps.extend(reach::reach(&*self.ports.http, &self.route, &self.config.base_url).await);
        if steps.iter().all(|step| step.ok) {
            self.login(&mut steps).await;
        }
        steps
    }

    fn settings(&self) -> CheckStep {
        let told = match &self.config.keys {
            None => "without token and encoding_aes_key no button can be pressed",
            Some(_) => "callbacks are signed and encrypted",
        };
        passed("settings", format!("app {} of {}; {told}", self.config.agent_id, self.config.corp_id))
    }

    /// Asks for a token, whatever is kept, and makes a harmless call with it: only that shows whether WeCom trusts our
    /// address.
    async fn login(&self, steps: &mut Vec<CheckStep>) {
        let token = match self.fetch_token().await {
            Ok(token) => token,
            Err(error) => {
                let next = next_step(&error);
                return steps.push(failed("token", format!("WeCom gives no access token: {error}"), next));
            }
        };
        steps.push(passed("token", format!("WeCom gave a token for {} s", token.lives.as_secs())));
        let url = self.url("/cgi-bin/getcallbackip", &token.value, "");
        steps.push(match self.request(get(url), &token.value).await {
            Ok(_) => passed("address", "WeCom takes calls from this address"),
            // A private deployment need not have this call.
            Err(error) if error.code == "http_404" => {
                passed("address", "this server lacks the call that would tell; send a test")
            }
            Err(error) => {
                let next = next_step(&error);
                failed("address", format!("WeCom takes no calls from this address: {error}"), next)
            }
        });
    }
}

/// What to do about a refused call.
fn next_step(error: &SendError) -> String {
    let fixed = match (error.code.as_str(), error.failure) {
        ("60020", _) => {
            return format!(
                "add {} to 企业可信IP (应用管理 → the app → 开发者接口 → 企业可信IP) and check again after a minute; \
                 if this address changes, set a proxy with a fixed one and add that",
                address_in(&error.text).unwrap_or("the address in this message")
            );
        }
        ("proxy", _) => reach::CHECK_PROXY,
        ("40013" | "41002" | "2000002", _) => "correct corp_id: it is the 企业ID on the page 我的企业",
        ("40001" | "40091" | "41004", _) => {
            "copy secret anew from the app's page (应用管理 → the app → Secret), not from another app or the contacts"
        }
        ("45031", _) => "have a new Secret made on the app's page; WeCom takes this one for not safe enough",
        ("50003", _) => "enable the app again on its page in WeCom's administration",
        ("48001" | "48002", _) => "this secret has no right to the call: use the Secret of a self-built app",
        ("45009" | "45036", _) => {
            "wait a minute and check again; after many wrong secrets WeCom blocks for an hour"
        }
        (_, SendFailure::Throttled { .. } | SendFailure::Transient { .. }) => "try again in a minute",
        _ => {
            "look up the code on WeCom's page 全局错误码, and check base_url and proxy if the answer was not WeCom's"
        }
    };
    fixed.to_owned()
}

/// The address that WeCom saw, which its words name.
fn address_in(text: &str) -> Option<&str> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '[' | ']'));
    words.map(|word| word.trim_end_matches('.')).find(|word| word.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_proxy_leads_to_the_proxy() {
        let transient = SendFailure::Transient { after: None };
        let error =
            SendError { failure: transient, code: "proxy".into(), text: "the proxy p:1 fails".into() };
        assert_eq!(next_step(&error), reach::CHECK_PROXY);
    }

    #[test]
    fn the_address_to_trust_is_named() {
        let error =
            |text: &str| SendError { failure: SendFailure::Channel, code: "60020".into(), text: text.into() };
        let step = next_step(&error(
            "not allow to access from your ip, hint: [1700000000], from ip: 203.0.113.9, more info at https://open.work.weixin.qq.com/devtool/query?e=60020",
        ));
        assert!(step.starts_with("add 203.0.113.9 to 企业可信IP"), "{step}");
        assert!(next_step(&error("from ip: 2001:db8::7.")).contains("2001:db8::7 "));
        assert!(
            next_step(&error("not allow to access from your ip")).contains("the address in this message")
        );
    }
}
