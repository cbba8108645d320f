//! Looking at an app without sending anything.

use mc_core::ports::{CheckStep, SendError, SendFailure};
use serde_json::Value;

use super::FeishuApp;
use super::table::judge;
use crate::reach::{self, failed, passed};

impl FeishuApp {
    pub(super) async fn look(&self) -> Vec<CheckStep> {
        let mut steps = vec![self.settings()];
        steps.extend(reach::reach(&*self.ports.http, &self.route, &self.config.base_url).await);
        if steps.iter().all(|step| step.ok) {
            self.login(&mut steps).await;
        }
        steps
    }

    fn settings(&self) -> CheckStep {
        let told = match (&self.config.encrypt_key, &self.config.verification_token) {
            (None, None) => "reads and clicks cannot be told without encrypt_key or verification_token",
            (None, Some(_)) => "callbacks are checked by verification_token alone; encrypt_key is safer",
            (Some(_), _) => "callbacks are signed and encrypted",
        };
        passed("settings", format!("app {}; {told}", self.config.app_id))
    }

    /// Asks for a token, whatever is kept, and looks at the app's bot with it.
    async fn login(&self, steps: &mut Vec<CheckStep>) {
        let token = match self.fetch_token().await {
            Ok(token) => token,
            Err(error) => {
                let next = login_step(&error);
                return steps.push(failed("login", format!("Feishu refuses a token: {error}"), next));
            }
        };
        steps.push(passed("login", format!("Feishu gave a token for {} s", token.lives.as_secs())));
        let answer = match self.request("GET", "/open-apis/bot/v3/info", None, Some(&token.value)).await {
            Ok(response) => judge(&response, &self.config),
            Err(error) => Err(error),
        };
        steps.push(match answer {
            Ok(answer) => bot_step(answer.more.get("bot").unwrap_or(&Value::Null)),
            Err(error) => {
                let next = match error.code.as_str() {
                    "proxy" => reach::CHECK_PROXY,
                    _ => "turn on 应用能力 → 机器人 in the developer console, and publish a version",
                };
                failed("bot", format!("Feishu does not show the app's bot: {error}"), next)
            }
        });
    }
}

fn login_step(error: &SendError) -> &'static str {
    match (error.code.as_str(), error.failure) {
        ("proxy", _) => reach::CHECK_PROXY,
        ("10003", _) => "check app_id: it is the App ID (cli_…) on the page 凭证与基础信息",
        ("10014", _) => "check app_secret on the page 凭证与基础信息, and that the app is not stopped",
        ("10015", _) => "copy app_secret anew from the page 凭证与基础信息",
        ("99991401", _) => {
            "add the address in the message to 安全设置 → IP 白名单 in the developer console, or set a proxy with a fixed address"
        }
        (_, SendFailure::Throttled { .. } | SendFailure::Transient { .. }) => "try again in a minute",
        _ => "compare app_id, app_secret and base_url with the app's page in the developer console",
    }
}

fn bot_step(bot: &Value) -> CheckStep {
    let name = bot.get("app_name").and_then(Value::as_str).unwrap_or_default();
    let (what, next) = match bot.get("activate_status").and_then(Value::as_i64) {
        Some(2) => return passed("bot", format!("the bot of {name} is in use")),
        Some(0) => ("is not installed yet", "have the tenant's administrator install it"),
        Some(1) => ("is stopped", "start it on the administrator's page 应用管理"),
        Some(3 | 4) => ("waits to be started", "start it on the administrator's page 应用管理"),
        Some(5 | 6) => ("is stopped because a licence has ended", "renew the licence or the tenant's plan"),
        // The page may get a new number; sending will tell.
        _ => return passed("bot", format!("the bot of {name} answers")),
    };
    failed("bot", format!("the app {name} {what}"), next)
}
