//! Who is behind a mobile number.

use std::time::Duration;

use mc_core::ports::SendError;
use serde_json::{Value, json};

use super::WecomApp;
use crate::lookup::{Directory, by_mobile};
use crate::robot::domestic;

/// Too many numbers that nobody has, more than a fifth of the people, and WeCom answers no more for a day. So none is
/// asked for twice in a day.
const NOT_FOUND: Duration = Duration::from_secs(86_400);

impl WecomApp {
    pub(super) async fn find(&self, mobile: &str) -> Result<Option<String>, SendError> {
        let mobile = domestic(mobile);
        let directory = Directory {
            tokens: &*self.ports.tokens,
            project: &self.project,
            account: &self.config.account,
            unknown_for: NOT_FOUND,
        };
        let body = json!({"mobile": mobile});
        self.ready().await?;
        by_mobile(&directory, &mobile, || self.ask_for(&body)).await
    }

    async fn ask_for(&self, body: &Value) -> Result<Option<String>, SendError> {
        match self.call("/cgi-bin/user/getuserid", body).await {
            Ok(answer) => {
                let id = answer.get("userid").and_then(Value::as_str).filter(|id| !id.is_empty());
                Ok(id.map(str::to_owned))
            }
            // Nobody has it, or nobody whom the app may see; a number of a wrong form.
            Err(error) if matches!(error.code.as_str(), "46004" | "60111" | "60103") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
