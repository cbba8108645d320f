//! How many people the app wrote to today (查询应用消息发送统计). How many it may, nobody tells.

use mc_core::ports::{Figure, SendError, SendFailure, Window};
use serde_json::{Value, json};

use super::WecomApp;
use crate::outcome::failure;

impl WecomApp {
    pub(super) async fn statistics(&self) -> Result<Vec<Figure>, SendError> {
        let answer = self.call("/cgi-bin/message/get_statistics", &json!({"time_type": 0})).await?;
        read(&answer, self.config.agent_id)
    }
}

fn read(answer: &Value, agent_id: u64) -> Result<Vec<Figure>, SendError> {
    let bad = || {
        let text = "WeCom's answer holds no statistics";
        failure(SendFailure::Transient { after: None }, "bad_answer", text)
    };
    let apps = answer["statistics"].as_array().ok_or_else(bad)?;
    // An app that has sent nothing today may be missing.
    let used = match apps.iter().find(|app| app["agentid"].as_u64() == Some(agent_id)) {
        Some(app) => app["count"].as_u64().ok_or_else(bad)?,
        None => 0,
    };
    Ok(vec![Figure { window: Window::Day, limit: None, used: Some(used) }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_app_counts() {
        let apps = json!({"statistics": [{"agentid": 7, "count": 100}, {"agentid": 8, "count": 3}]});
        let used = |answer: &Value, agent| read(answer, agent).ok().and_then(|figures| figures[0].used);
        assert_eq!([7, 8, 9].map(|agent| used(&apps, agent)), [Some(100), Some(3), Some(0)]);
        assert_eq!(used(&json!({"statistics": [{"agentid": 7, "count": -1}]}), 7), None);
        assert_eq!(used(&json!({"errcode": 0}), 7), None);
    }
}
