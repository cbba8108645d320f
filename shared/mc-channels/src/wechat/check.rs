//! Looking at an account without sending anything.

use std::net::IpAddr;

use mc_core::ports::{CheckStep, SendError};

use super::account::Account;
use super::callbacks::Mode;
use super::templates;
use super::values::Table;
use crate::reach::{CHECK_PROXY, failed, passed, reach};

impl Account {
    /// The steps of a check: connection, a real token call, the account's templates and the mapping to the chosen one.
    pub(crate) async fn check(&self) -> Vec<CheckStep> {
        let callbacks = match self.keys.mode() {
            Mode::None => "no callbacks, as there is no token",
            Mode::Plain => "callbacks in plain mode",
            Mode::Secure => "callbacks in secure mode",
        };
        let mut steps = vec![passed("settings", format!("{}: {callbacks}", self.app_id))];
        steps.extend(reach(&*self.ports.http, &self.route, &self.base_url).await);
        if steps.iter().any(|step| !step.ok) {
            return steps;
        }
        let token = match self.fetch_token().await {
            Ok(token) => token,
            Err(error) => {
                let next = next_step(&error);
                steps.push(failed("token", format!("WeChat gives no access token: {error}"), next));
                return steps;
            }
        };
        steps.push(passed("token", "WeChat gives out an access token"));
        match self.templates_with(&token.value).await {
            Ok(list) => {
                let next = templates::steps(self.template.as_deref(), &self.fields, &list);
                steps.push(passed("templates", format!("the account has {} template(s)", list.len())));
                steps.extend(next);
            }
            Err(error) => {
                let kind = match self.table {
                    Table::Official => "a certified service account (认证服务号)",
                    Table::Mini => "a mini program with subscribe messages",
                };
                let next = match error.code.as_str() {
                    "48001" | "48004" => {
                        format!("WeChat grants this call to {kind} only; look at the account's rights")
                    }
                    _ => next_step(&error),
                };
                steps.push(failed("templates", format!("WeChat does not list the templates: {error}"), next));
            }
        }
        steps
    }
}

/// What to do about a refused call.
fn next_step(error: &SendError) -> String {
    match error.code.as_str() {
        "proxy" => CHECK_PROXY.to_owned(),
        "40164" => {
            let address = error.text.split([' ', ',']).find(|word| word.parse::<IpAddr>().is_ok());
            format!(
                "add {} to the IP whitelist of the account (设置与开发 → 基本配置 → IP白名单), or set a proxy with a fixed address",
                address.unwrap_or("the address in this message")
            )
        }
        "40013" | "41002" => "correct app_id: it stands on WeChat's page beside the AppSecret".to_owned(),
        "40001" | "40125" | "41004" => {
            "correct app_secret, and see that it belongs to this app_id; a reset on WeChat's page ends the old one"
                .to_owned()
        }
        "40243" => "the AppSecret is frozen: unfreeze it on WeChat's page".to_owned(),
        "50004" | "50007" => "WeChat has closed the account's token call: see the notices on WeChat's page".to_owned(),
        "89501" | "89503" => {
            "have the account's administrator confirm this address in WeChat, then check again".to_owned()
        }
        "89506" => "the administrator refused this address: ask, and try again in 24 hours".to_owned(),
        "89507" => "the administrator refused this address: ask, and try again in an hour".to_owned(),
        "45009" => "the day's calls are used up: wait until midnight in Beijing, or clear the quota on WeChat's page"
            .to_owned(),
        "45011" | "-1" => "wait a minute and check again".to_owned(),
        _ => "look up the code on WeChat's page, and check base_url and proxy if the answer was not WeChat's".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mc_core::ports::SendFailure;

    use super::*;

    #[test]
    fn a_failure_of_the_proxy_leads_to_the_proxy() {
        let transient = SendFailure::Transient { after: None };
        let error =
            SendError { failure: transient, code: "proxy".into(), text: "the proxy p:1 fails".into() };
        assert_eq!(next_step(&error), CHECK_PROXY);
    }

    #[test]
    fn the_address_to_allow_is_named() {
        let error =
            |text: &str| SendError { failure: SendFailure::Channel, code: "40164".into(), text: text.into() };
        let step =
            next_step(&error("invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist rid: 1-2-3"));
        assert!(step.starts_with("add 203.0.113.9 to the IP whitelist"), "{step}");
        assert!(next_step(&error("not in whitelist")).contains("the address in this message"));
    }
}
