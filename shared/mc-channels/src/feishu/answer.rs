//! The form in which Feishu answers.

use mc_core::ports::{HttpResponse, SendError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::outcome::{not_json, number_or_text};

/// An answer. What a call brought lies under `data`, or beside `code` in the oldest ones.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default, deserialize_with = "number_or_text")]
    code: Option<i64>,
    #[serde(default)]
    pub(crate) msg: Option<String>,
    /// What very old robots answer instead.
    #[serde(default, rename = "StatusCode", deserialize_with = "number_or_text")]
    status_code: Option<i64>,
    #[serde(default)]
    pub(crate) data: Value,
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
}

impl Answer {
    /// Reads an answer; one without any code is not Feishu's.
    pub(crate) fn read(response: &HttpResponse) -> Result<Self, SendError> {
        // serde would read a list into a struct as well.
        let is_object = response.body.trim_ascii_start().first() == Some(&b'{');
        let answer: Option<Self> = serde_json::from_slice(&response.body).ok().filter(|_| is_object);
        answer.filter(|answer| answer.code.or(answer.status_code).is_some()).ok_or_else(|| not_json(response))
    }

    /// Zero means success. The HTTP status says nothing beside it.
    pub(crate) fn code(&self) -> i64 {
        self.code.or(self.status_code).unwrap_or_default()
    }
}
