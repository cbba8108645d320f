//! Calls to WeChat, and what its answers mean.

use std::time::Duration;

use bytes::Bytes;
use mc_core::model::AddressKind;
use mc_core::ports::{
    Fetching, HttpRequest, HttpResponse, PlatformTemplate, Push, Receipt, SendError, SendFailure, Token,
};
use mc_core::{Secret, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::Account;
use super::templates;
use super::values::Table;
use crate::outcome::{Code, failure, not_json, refused, unanswered, unlisted};
use crate::token::{TokenOf, with_token};

/// Which of two tables a code is looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Getting an access token.
    Token,
    /// Anything that needs one.
    Business,
}

impl Account {
    /// Pushes a payload that names its recipient.
    pub(crate) async fn push(&self, path: &str, payload: &Value) -> Result<Receipt, SendError> {
        let answer = self.call("POST", path, &payload.to_string()).await?;
        // A number of 64 bits, or a text should that ever change.
        let msgid = answer.get("msgid").or_else(|| answer.get("msgId")).and_then(|id| match id {
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) => Some(text.clone()),
            _ => None,
        });
        Ok(Receipt { platform_id: msgid, refused: Vec::new() })
    }

    /// The templates of the account, asked for with the shared token.
    pub(crate) async fn templates(&self) -> Result<Vec<PlatformTemplate>, SendError> {
        let answer = self.call("GET", self.list_path(), "").await.map_err(before_push)?;
        Ok(templates::read(self.table, &answer))
    }

    /// The same with a token that was just fetched.
    pub(super) async fn templates_with(&self, token: &Secret) -> Result<Vec<PlatformTemplate>, SendError> {
        let answer = self.call_with("GET", self.list_path(), "", token).await?;
        Ok(templates::read(self.table, &answer))
    }

    fn list_path(&self) -> &'static str {
        match self.table {
            Table::Official => "/cgi-bin/template/get_all_private_template",
            Table::Mini => "/wxaapi/newtmpl/gettemplate",
        }
    }

    pub(super) async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: &str,
    ) -> Result<Value, SendError> {
        let fetch = || -> Fetching<'_> { Box::pin(self.fetch_token()) };
        let of = TokenOf {
            tokens: &*self.ports.tokens,
            project: &self.project,
            name: &self.token_name,
            fetch: &fetch,
        };
        let is_over = |error: &SendError| matches!(error.code.as_str(), "40001" | "40014" | "42001");
        // An AppSecret that is wrong has the same code as a token that is over, but fails before the call.
        with_token(&of, is_over, |token| async move { self.call_with(method, path, body, &token).await })
            .await
    }

    async fn call_with(
        &self,
        method: &'static str,
        path: &str,
        body: &str,
        token: &Secret,
    ) -> Result<Value, SendError> {
        let url = Secret::new(format!("{}{path}?access_token={}", self.base_url, token.expose()));
        let mut request = HttpRequest::post_json(url, Bytes::copy_from_slice(body.as_bytes()));
        if method == "GET" {
            request.method = method;
            request.headers.clear();
        }
        let response = self.ports.http.call(&self.route, request).await.map_err(unanswered)?;
        judge(Call::Business, &response, self.ports.clock.now(), [&self.app_secret, token])
    }

    /// Asks WeChat for a token: the stable one, so that whoever else asks does not end it.
    pub(crate) async fn fetch_token(&self) -> Result<Token, SendError> {
        let body = json!({
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": self.app_secret.expose(),
        });
        let url = Secret::new(format!("{}/cgi-bin/stable_token", self.base_url));
        let request = HttpRequest::post_json(url, body.to_string());
        let response = self.ports.http.call(&self.route, request).await;
        let response = response.map_err(|error| before_push(unanswered(error)))?;
        let answer = judge(Call::Token, &response, self.ports.clock.now(), [&self.app_secret])?;
        let token = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let lives = answer.get("expires_in").and_then(Value::as_u64);
        match (token, lives) {
            (Some(token), Some(lives)) => {
                Ok(Token { value: Secret::new(token), lives: Duration::from_secs(lives) })
            }
            _ => Err(before_push(not_json(&response))),
        }
    }
}

/// A push's payload with the openid of its one recipient.
pub(crate) fn addressed(push: &Push<'_>) -> Result<Value, SendError> {
    let bad = |text| failure(SendFailure::Permanent, "bad_push", text);
    let [recipient] = push.to else { return Err(bad("WeChat takes one recipient per push")) };
    let openid =
        recipient.addresses.get(AddressKind::Wechat).ok_or_else(|| bad("the recipient has no openid"))?;
    let mut payload = push.part.payload.clone();
    payload["touser"] = openid.into();
    Ok(payload)
}

/// Before anything was pushed there is nothing to be in doubt about.
fn before_push(error: SendError) -> SendError {
    let failure = match error.failure {
        SendFailure::Doubt => SendFailure::Transient { after: None },
        other => other,
    };
    SendError { failure, ..error }
}

/// Reads an answer. The HTTP status says nothing as soon as there is an errcode of the table; a success may have none.
pub(crate) fn judge<'s>(
    call: Call,
    response: &HttpResponse,
    now: Timestamp,
    secrets: impl IntoIterator<Item = &'s Secret>,
) -> Result<Value, SendError> {
    let unreadable = || match call {
        Call::Token => before_push(not_json(response)),
        Call::Business => not_json(response),
    };
    let answer: Value = serde_json::from_slice(&response.body).map_err(|_| unreadable())?;
    let code = answer.get("errcode").and_then(|code| Code::deserialize(code).ok());
    // Besides tokens, lists are answered without a code.
    let known = ["access_token", "msgid", "template_list", "data"];
    match code {
        Some(code) if code.number() == 0 => Ok(answer),
        None if answer.is_object() && known.iter().any(|name| answer.get(name).is_some()) => Ok(answer),
        None => Err(unreadable()),
        Some(code) => {
            let text = answer.get("errmsg").and_then(Value::as_str).unwrap_or_default();
            Err(refused(classify(call, code.number(), now, response), &code, text, secrets))
        }
    }
}

/// The error tables of the pages api_getstableaccesstoken, api_sendtemplatemessage and subscribe/send. From practice
/// only: 43116, 43117, 40241, 40249 to 40252, 43019, 50002.
fn classify(call: Call, code: i64, now: Timestamp, response: &HttpResponse) -> SendFailure {
    let throttled = |seconds| SendFailure::Throttled { after: Some(Duration::from_secs(seconds)) };
    match (call, code) {
        // System busy, also when many are sent at once; several sends to one person at the same time.
        (_, -1 | 43108) => SendFailure::Transient { after: None },
        // The day's calls are used up: nothing goes through before midnight in Beijing.
        (_, 45009) => SendFailure::Throttled { after: Some(until_midnight(now)) },
        (_, 45011) => throttled(60),
        // Too many messages to this person for now.
        (_, 43117) => throttled(600),
        // "Duplicate in 60 seconds", which has been seen without a duplicate.
        (_, 40241) => SendFailure::Doubt,
        // Grant type, app id, secret: wrong, missing or frozen; the token call is forbidden to the account.
        (Call::Token, 40001 | 40002 | 40013 | 40125 | 41002 | 41004 | 43002 | 40243 | 50004 | 50007) => {
            SendFailure::Channel
        }
        // The address is not on the whitelist, or waits for or was refused the administrator's word.
        (_, 40164 | 89501 | 89503 | 89506 | 89507) => SendFailure::Channel,
        // The token is over. It was fetched anew before this is looked at, so something else keeps ending it.
        (Call::Business, 40001 | 40014 | 42001) => SendFailure::Transient { after: None },
        // The template is unknown or banned; the mini program is not bound; no right to the call; the account is capped
        // or its content under review.
        (Call::Business, 40013 | 40036 | 40037 | 43107 | 43116 | 48001 | 48004 | 40251 | 40252) => {
            SendFailure::Channel
        }
        // Everything else is about this person (40003, 43004, 43019, 43101, 50002, 50005) or about what is said
        // (40008, 40039, 40249, 40250, 41030, 45168, 47001, 47003).
        _ => unlisted(response),
    }
}

/// How long until quotas begin anew.
fn until_midnight(now: Timestamp) -> Duration {
    const DAY: i64 = 86_400_000;
    let gone = (now.millis() + 8 * 3_600_000).rem_euclid(DAY);
    Duration::from_millis(u64::try_from(DAY - gone).unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{self, Case};

    /// Judges a kind's fixtures, at 20:00 in Beijing.
    pub(crate) fn judge_all(fixtures: &str) {
        let now = Timestamp::from_millis(1_796_126_400_000);
        let secret = Secret::new("0123456789abcdef0123456789abcdef");
        let judge = |case: &Case| {
            let content_type = Some("application/json".to_owned());
            let call = if case.is("token") { Call::Token } else { Call::Business };
            let answer = judge(call, &HttpResponse { content_type, ..case.response() }, now, [&secret])?;
            Ok(format!("Ok {}", answer.get("msgid").unwrap_or(&Value::Null)))
        };
        testing::judge_all(fixtures, &[secret.expose()], judge, |_| "");
    }

    #[test]
    fn quotas_begin_anew_at_midnight_in_beijing() {
        let at = |millis| until_midnight(Timestamp::from_millis(millis)).as_secs();
        assert_eq!(at(0), 16 * 3600);
        assert_eq!(at(16 * 3_600_000 - 1_000), 1);
        assert_eq!(at(16 * 3_600_000), 24 * 3600);
    }
}
