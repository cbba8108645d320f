//! What became of a message, and taking it back.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::Recipient;
use mc_core::ports::{News, Polled, SendError, SendFailure};
use mc_core::state::State;
use serde_json::Value;

use super::FeishuApp;
use super::address::{Id, address};
use crate::outcome::failure;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Readers of one message are told for seven days.
pub(super) const SINGLE: [Duration; 6] = [
    Duration::from_secs(10 * MINUTE),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(8 * HOUR),
    Duration::from_secs(DAY),
    Duration::from_secs(3 * DAY),
    Duration::from_secs(7 * DAY - HOUR),
];

/// A batch goes out after a while, and is told of for thirty days.
pub(super) const BATCH: [Duration; 6] = [
    Duration::from_secs(MINUTE),
    Duration::from_secs(10 * MINUTE),
    Duration::from_secs(HOUR),
    Duration::from_secs(DAY),
    Duration::from_secs(7 * DAY),
    Duration::from_secs(29 * DAY),
];

impl FeishuApp {
    pub(super) async fn take_back(&self, platform_id: &str) -> Result<(), SendError> {
        let path = match Id::of_message(platform_id)? {
            MessageId::Single(id) => format!("/open-apis/im/v1/messages/{id}"),
            MessageId::Batch(id) => format!("/open-apis/im/v1/batch_messages/{id}"),
        };
        match self.call("DELETE", &path, None).await {
            // It is gone already.
            Err(error) if error.code == "230110" => Ok(()),
            result => result.map(drop),
        }
    }

    pub(super) async fn ask(&self, platform_id: &str, to: &[Recipient]) -> Result<Polled, SendError> {
        match Id::of_message(platform_id)? {
            // That one of a group has read it says nothing of the others.
            MessageId::Single(_) if to.iter().any(|one| Id::of(address(one)) == Id::Chat) => {
                Ok(Polled { news: Vec::new(), done: true })
            }
            MessageId::Single(id) => self.ask_readers(id).await,
            MessageId::Batch(id) => self.ask_progress(id).await,
        }
    }

    async fn ask_readers(&self, id: &str) -> Result<Polled, SendError> {
        let path = format!("/open-apis/im/v1/messages/{id}/read_users?user_id_type=open_id&page_size=1");
        let answer = match self.call("GET", &path, None).await {
            // More than seven days old, or taken back: nothing more will come.
            Err(error) if matches!(error.code.as_str(), "230033" | "230110") => {
                return Ok(Polled { news: Vec::new(), done: true });
            }
            result => result?,
        };
        let reader = answer.data.get("items").and_then(Value::as_array).and_then(|items| items.first());
        let Some(reader) = reader else { return Ok(Polled { news: Vec::new(), done: false }) };
        let time = reader.get("timestamp").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let at = time.map(Timestamp::from_millis);
        Ok(Polled { news: vec![receipt(id, State::Read, at)], done: true })
    }

    /// A batch is counted and its people are not named, so only what is true of all of them is told.
    async fn ask_progress(&self, id: &str) -> Result<Polled, SendError> {
        let path = format!("/open-apis/im/v1/batch_messages/{id}/get_progress");
        let data = self.call("GET", &path, None).await?.data;
        let count = |name: &str| {
            data.pointer(&format!("/batch_message_send_progress/{name}")).and_then(number).unwrap_or(0)
        };
        let (valid, sent, read) =
            (count("valid_user_ids_count"), count("success_user_ids_count"), count("read_user_ids_count"));
        let is_recalled =
            data.pointer("/batch_message_recall_progress/recall").and_then(Value::as_bool).unwrap_or(false);
        let state = match valid {
            0 => None,
            _ if is_recalled => Some(State::Recalled),
            _ if read >= valid => Some(State::Read),
            _ if sent >= valid => Some(State::Delivered),
            _ => None,
        };
        let done = matches!(state, Some(State::Read | State::Recalled));
        Ok(Polled { news: state.map(|state| receipt(id, state, None)).into_iter().collect(), done })
    }
}

/// A message of one push, or of a batch.
enum MessageId<'t> {
    Single(&'t str),
    Batch(&'t str),
}

impl Id {
    /// Reads the id that a push got; it is put into paths, so nothing else may pass.
    fn of_message(id: &str) -> Result<MessageId<'_>, SendError> {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        match (plain, id) {
            (true, id) if id.starts_with("om_") => Ok(MessageId::Single(id)),
            (true, id) if id.starts_with("bm") => Ok(MessageId::Batch(id)),
            _ => Err(failure(SendFailure::Permanent, "bad_id", "this is no id of a Feishu message")),
        }
    }
}

/// Some of Feishu's counts are texts.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn receipt(id: &str, state: State, at: Option<Timestamp>) -> News {
    News::Receipt { platform_id: id.to_owned(), to: None, state, code: None, text: None, at }
}
