//! Who is behind a mobile number.

use mc_core::ports::SendError;
use serde_json::{Value, json};

use super::FeishuApp;
use crate::lookup::{Directory, NOT_FOUND, by_mobile};
use crate::robot::domestic;

impl FeishuApp {
    pub(super) async fn find(&self, mobile: &str) -> Result<Option<String>, SendError> {
        // Numbers abroad want their country's code, those of the mainland do without.
        let mobile = domestic(mobile);
        let directory = Directory {
            tokens: &*self.ports.tokens,
            project: &self.project,
            account: &self.config.account,
            unknown_for: NOT_FOUND,
        };
        let body = json!({"mobiles": [mobile]});
        self.ready().await?;
        by_mobile(&directory, &mobile, || self.ask_for(&body)).await
    }

    /// An open id, which is the app's own. Who has no match comes back without an id.
    async fn ask_for(&self, body: &Value) -> Result<Option<String>, SendError> {
        let path = "/open-apis/contact/v3/users/batch_get_id?user_id_type=open_id";
        let answer = self.call("POST", path, Some(body)).await?;
        let list = answer.data.get("user_list").and_then(Value::as_array).into_iter().flatten();
        let mut ids = list.filter_map(|one| one.get("user_id")?.as_str().filter(|id| !id.is_empty()));
        Ok(ids.next().map(str::to_owned))
    }
}
