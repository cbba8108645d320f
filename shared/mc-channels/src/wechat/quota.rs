//! How much of a day's calls an account has left (查询API调用额度).

use mc_core::ports::{Figure, SendError, SendFailure, Window};
use serde_json::{Value, json};

use super::account::Account;
use crate::outcome::failure;

impl Account {
    /// What WeChat says of the calls of one path today.
    pub(crate) async fn figures(&self, path: &str) -> Result<Vec<Figure>, SendError> {
        let body = json!({"cgi_path": path}).to_string();
        let answer = self.call("POST", "/cgi-bin/openapi/quota/get", &body).await?;
        read(&answer).map(|figure| vec![figure])
    }
}

fn read(answer: &Value) -> Result<Figure, SendError> {
    let number = |name: &str| answer["quota"][name].as_u64();
    let limit = number("daily_limit");
    // Of `used` and `remain` one is enough.
    let left = limit.zip(number("remain")).map(|(limit, remain)| limit.saturating_sub(remain));
    match (limit, number("used").or(left)) {
        (Some(limit), Some(used)) => Ok(Figure { window: Window::Day, limit: Some(limit), used: Some(used) }),
        _ => {
            let text = "WeChat's answer holds no daily_limit and used";
            Err(failure(SendFailure::Transient { after: None }, "bad_answer", text))
        }
    }
}

/// 45009 is the day's quota; 45011, the minute's, is over in a minute.
pub(crate) fn used_up(error: &SendError) -> Option<Window> {
    (error.code == "45009").then_some(Window::Day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_make_sense_are_figures() {
        let day = |limit, used| Some(Figure { window: Window::Day, limit: Some(limit), used: Some(used) });
        let cases = [
            (json!({"quota": {"daily_limit": 100_000, "used": 12, "remain": 99_988}}), day(100_000, 12)),
            (json!({"quota": {"daily_limit": 100_000, "remain": 99_988}}), day(100_000, 12)),
            (json!({"quota": {"daily_limit": -1, "used": 12}}), None),
            (json!({"quota": {"daily_limit": "100000", "used": "12"}}), None),
            (json!({"quota": []}), None),
            (json!({"errcode": 0}), None),
        ];
        for (answer, figure) in cases {
            assert_eq!(read(&answer).ok(), figure, "{answer}");
        }
    }
}
