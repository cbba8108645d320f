//! The form in which Feishu answers.

use mc_core::ports::{HttpResponse, SendError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::outcome::{Code, not_json};

/// An answer. What a call brought lies under `data`, or beside `code` in the oldest ones.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    code: Option<Code>,
    #[serde(default)]
    pub(crate) msg: Option<String>,
    /// What very old robots answer instead.
    #[serde(default, rename = "StatusCode")]
    status_code: Option<Code>,
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
        let is_feishu = |answer: &Self| answer.code.is_some() || answer.status_code.is_some();
        answer.filter(is_feishu).ok_or_else(|| not_json(response))
    }

    /// The code of a failure. Zero means success, whatever the HTTP status is.
    pub(crate) fn refusal(&self) -> Option<&Code> {
        self.code.as_ref().or(self.status_code.as_ref()).filter(|code| code.number() != 0)
    }
}
