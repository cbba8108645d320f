//! Who is behind a mobile number.

use mc_core::ports::{HttpRequest, SendError};
use serde_json::{Value, json};

use super::DingtalkApp;
use super::table::judge;
use crate::lookup::{Directory, NOT_FOUND, by_mobile};
use crate::robot::domestic;

impl DingtalkApp {
    pub(super) async fn find(&self, mobile: &str) -> Result<Option<String>, SendError> {
        // How numbers abroad are written is not said; they go as they are.
        let mobile = domestic(mobile);
        let directory = Directory {
            tokens: &*self.ports.tokens,
            project: &self.project,
            account: &self.config.account,
            unknown_for: NOT_FOUND,
        };
        self.ready().await?;
        by_mobile(&directory, &mobile, || self.ask_for(json!({"mobile": mobile}).to_string())).await
    }

    async fn ask_for(&self, body: String) -> Result<Option<String>, SendError> {
        let answer = self.with_token(|token| {
            let url = self.url("/topapi/v2/user/getbymobile", &token, "");
            let request = HttpRequest::post_json(url, body.clone());
            async move { judge(&self.request(request).await?, &self.config, Some(&token)) }
        });
        match answer.await {
            Ok(answer) => {
                let id = answer.more.get("result").and_then(|result| result.get("userid"));
                Ok(id.and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned))
            }
            // Nobody has it, or nobody whom the app may see.
            Err(error) if matches!(error.code.as_str(), "60121" | "50002") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
