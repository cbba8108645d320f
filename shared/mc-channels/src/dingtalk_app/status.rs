//! What became of a message, and taking it back.

use std::time::Duration;

use mc_core::model::Recipient;
use mc_core::ports::{News, Polled, SendError};
use mc_core::state::State;
use serde_json::Value;

use super::DingtalkApp;
use super::people::{To, USERS};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// DingTalk tells for a day, and each question is a call of the month's quota.
pub(super) const TIMES: [Duration; 5] = [
    Duration::from_secs(15),
    Duration::from_secs(10 * MINUTE),
    Duration::from_secs(HOUR),
    Duration::from_secs(6 * HOUR),
    Duration::from_secs(23 * HOUR),
];

impl DingtalkApp {
    pub(super) async fn take_back(&self, platform_id: &str) -> Result<(), SendError> {
        let body = self.of_task("msg_task_id", platform_id)?;
        self.about("recall", &body).await.map(drop)
    }

    pub(super) async fn ask(&self, platform_id: &str, to: &[Recipient]) -> Result<Polled, SendError> {
        let all_people = to.iter().all(|one| matches!(To::of(one), To::User(_)));
        if all_people && to.len() <= USERS {
            self.ask_result(platform_id, to).await
        } else {
            self.ask_progress(platform_id).await
        }
    }

    /// Who has read it, who has it, who does not get it.
    async fn ask_result(&self, platform_id: &str, to: &[Recipient]) -> Result<Polled, SendError> {
        let body = self.of_task("task_id", platform_id)?;
        let answer = self.about("getsendresult", &body).await?;
        let news = read(platform_id, answer.more.get("send_result").unwrap_or(&Value::Null));
        let is_over = |one: &Recipient| {
            let To::User(id) = To::of(one) else { return true };
            news.iter().any(|one| {
                matches!(one, News::Receipt { to: Some(to), state: State::Read | State::Failed, .. } if to == id)
            })
        };
        let done = to.iter().all(is_over);
        Ok(Polled { news, done })
    }

    /// Of more than a hundred people, and so of departments, nothing is told but that the message has gone out.
    async fn ask_progress(&self, platform_id: &str) -> Result<Polled, SendError> {
        let body = self.of_task("task_id", platform_id)?;
        let answer = self.about("getsendprogress", &body).await?;
        let status = answer.more.get("progress").and_then(|progress| progress.get("status"));
        let is_out = status.and_then(number) == Some(2);
        let news = is_out.then(|| receipt(platform_id, None, State::Delivered, None)).into_iter().collect();
        Ok(Polled { news, done: is_out })
    }
}

/// Reads the lists of a result. Each of them may be missing.
fn read(platform_id: &str, result: &Value) -> Vec<News> {
    let mut news = Vec::new();
    for (list, state) in [("unread_user_id_list", State::Delivered), ("read_user_id_list", State::Read)] {
        news.extend(people(result.get(list)).map(|id| receipt(platform_id, Some(id), state, None)));
    }
    // With a code first: what was told of somebody already is not told again in other words.
    let forbidden = result.get("forbidden_list").and_then(Value::as_array).into_iter().flatten();
    for one in forbidden {
        let code = one.get("code").map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        let code = code.unwrap_or_else(|| "forbidden".to_owned());
        for id in people(one.get("userid")) {
            news.push(receipt(platform_id, Some(id), State::Failed, Some((&code, reason(&code)))));
        }
    }
    for (list, code, text) in [
        ("forbidden_user_id_list", "forbidden", reason("")),
        (
            "invalid_user_id_list",
            "invalid_user",
            "DingTalk does not know this userid, or the app may not write to it",
        ),
        ("failed_user_id_list", "failed", "DingTalk could not deliver it"),
    ] {
        for id in people(result.get(list)) {
            let known = |one: &News| matches!(one, News::Receipt { to: Some(to), state: State::Failed, .. } if *to == id);
            if !news.iter().any(known) {
                news.push(receipt(platform_id, Some(id), State::Failed, Some((code, text))));
            }
        }
    }
    news
}

/// Userids in a list, or in a text with commas.
fn people(list: Option<&Value>) -> impl Iterator<Item = String> {
    let texts: Vec<&str> = match list {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    };
    let ids = texts.into_iter().flat_map(|text| text.split(','));
    let ids: Vec<String> = ids.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
    ids.into_iter()
}

/// Why DingTalk keeps a message from somebody, and what to do.
fn reason(code: &str) -> &'static str {
    match code {
        "143103" | "143104" | "143203" | "143204" => {
            "more than DingTalk delivers in a minute; retry the message for this recipient"
        }
        "143105" | "143205" => {
            "this recipient has got as many messages today as DingTalk delivers; retry tomorrow"
        }
        _ if is_repeat(code) => {
            "this recipient has got a message of the same words today, which DingTalk delivers once; put a time or a number into it"
        }
        "1430000" => "DingTalk found nobody to deliver it to",
        "1430002" => "DingTalk does not deliver this content",
        "1430003" => "DingTalk protects itself and did not deliver it",
        "1430004" => "DingTalk protects this recipient (高管保护) and did not deliver it",
        _ => "DingTalk did not deliver it: over a limit, or not allowed",
    }
}

/// Whether this recipient has got the same words today.
pub(super) fn is_repeat(code: &str) -> bool {
    matches!(code, "143106" | "143206")
}

/// Some of the numbers are texts.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn receipt(id: &str, to: Option<String>, state: State, error: Option<(&str, &str)>) -> News {
    News::Receipt {
        platform_id: id.to_owned(),
        to,
        state,
        code: error.map(|(code, _)| code.to_owned()),
        text: error.map(|(_, text)| text.to_owned()),
        at: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(result: &Value) -> Vec<(String, State, String)> {
        let said = read("1", result).into_iter().map(|news| match news {
            News::Receipt { to, state, code, .. } => {
                (to.unwrap_or_default(), state, code.unwrap_or_default())
            }
            other => panic!("{other:?}"),
        });
        said.collect()
    }

    #[test]
    fn only_the_same_words_of_the_same_day_are_there_already() {
        let of = |code: &&str| is_repeat(code);
        let codes = ["143103", "143105", "143106", "143205", "143206", "1430000", "forbidden", ""];
        assert_eq!(codes.iter().copied().filter(of).collect::<Vec<_>>(), ["143106", "143206"]);
    }

    #[test]
    fn every_list_has_its_meaning_and_may_be_missing() {
        let result = json!({
            "invalid_user_id_list": ["a"], "forbidden_user_id_list": ["b", "c", "d"], "failed_user_id_list": ["e"],
            "read_user_id_list": ["f"], "unread_user_id_list": ["g"], "invalid_dept_id_list": [],
            "forbidden_list": [{"code": "143106", "count": 2, "userid": "b,c"}],
        });
        let one = |to: &str, state, code: &str| (to.to_owned(), state, code.to_owned());
        let expected = [
            one("g", State::Delivered, ""),
            one("f", State::Read, ""),
            one("b", State::Failed, "143106"),
            one("c", State::Failed, "143106"),
            one("d", State::Failed, "forbidden"),
            one("a", State::Failed, "invalid_user"),
            one("e", State::Failed, "failed"),
        ];
        assert_eq!(said(&result), expected);
        for odd in
            [json!(null), json!({}), json!([]), json!({"read_user_id_list": 1, "forbidden_list": [1, {}]})]
        {
            assert!(said(&odd).is_empty(), "{odd}");
        }
        let odd =
            json!({"forbidden_list": [{"code": 143_103, "userid": ["x"]}], "read_user_id_list": "y, z"});
        let expected =
            [one("y", State::Read, ""), one("z", State::Read, ""), one("x", State::Failed, "143103")];
        assert_eq!(said(&odd), expected);
    }
}
