//! The calls of a Feishu app.

use std::time::Duration;

use mc_core::Secret;
use mc_core::model::Recipient;
use mc_core::ports::{
    Fetching, HttpRequest, HttpResponse, Push, Receipt, RecipientFailure, SendError, SendFailure, Token,
};
use ring::digest;
use serde_json::{Value, json};

use super::FeishuApp;
use super::address::{Id, address};
use super::table::{is_over, judge};
use crate::feishu::{Answer, Form};
use crate::outcome::{failure, unanswered};
use crate::token::{TokenOf, with_token};

/// The longest uuid that Feishu takes.
const UUID_LIMIT: usize = 50;

impl FeishuApp {
    pub(super) async fn push(&self, push: &Push<'_>) -> Result<Receipt, SendError> {
        match self.config.form {
            Form::Batch => self.push_batch(push).await,
            Form::Hook | Form::Single => self.push_single(push).await,
        }
    }

    async fn push_single(&self, push: &Push<'_>) -> Result<Receipt, SendError> {
        let bad_push = |text| failure(SendFailure::Permanent, "bad_push", text);
        let [recipient] = push.to else {
            return Err(bad_push("one push of this channel goes to one recipient"));
        };
        let id = address(recipient);
        let kind = Id::of(id).single().filter(|_| !id.is_empty());
        let kind = kind.ok_or_else(|| {
            bad_push("this address cannot be written to one by one; departments need the setting batch")
        })?;
        let mut body = self.message(push).await?;
        body["receive_id"] = id.into();
        // For an hour Feishu sends a message at most once under the same uuid.
        body["uuid"] = uuid(push.push_id).into();
        let path = format!("/open-apis/im/v1/messages?receive_id_type={kind}");
        let answer = self.call("POST", &path, Some(&body)).await?;
        Ok(Receipt { platform_id: message_id(&answer), refused: Vec::new() })
    }

    async fn push_batch(&self, push: &Push<'_>) -> Result<Receipt, SendError> {
        let mut body = self.message(push).await?;
        let mut refused = Vec::new();
        for (index, recipient) in push.to.iter().enumerate() {
            let id = address(recipient);
            match Id::of(id).batch().filter(|_| !id.is_empty()) {
                Some((list, _)) => match body[list].as_array_mut() {
                    Some(ids) => ids.push(id.into()),
                    None => body[list] = json!([id]),
                },
                None => refused.push(RecipientFailure {
                    index,
                    code: "no_batch".to_owned(),
                    text: "groups and mail addresses cannot be written to in batches".to_owned(),
                }),
            }
        }
        if refused.len() == push.to.len() {
            let text =
                "nobody of this push can be written to in a batch: it takes people and departments only";
            return Err(failure(SendFailure::Permanent, "no_batch", text));
        }
        let answer = self.call("POST", "/open-apis/message/v4/batch_send/", Some(&body)).await?;
        refused.extend(invalid(push.to, &answer.data));
        refused.sort_by_key(|failure| failure.index);
        Ok(Receipt { platform_id: message_id(&answer), refused })
    }

    /// The part's message; a file is uploaded first.
    async fn message(&self, push: &Push<'_>) -> Result<Value, SendError> {
        let Some(at) = push.part.file else { return Ok(push.part.payload.clone()) };
        match push.attachments.get(at) {
            Some(file) => self.with_file(&push.part.payload, file).await,
            None => Err(failure(SendFailure::Permanent, "bad_push", "the file of this part is missing")),
        }
    }

    /// One call of JSON with the app's token, and once more if the token turns out to be over.
    pub(super) async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, SendError> {
        self.with_app_token(|token| async move {
            let response = self.request(method, path, body, Some(&token)).await?;
            judge(&response, &self.config)
        })
        .await
    }

    /// Gets a token if there is none. What is found or uploaded is kept under the account's name, and so is a failure to do
    /// so: a wrong secret has to show before, where it fails this channel alone.
    pub(super) async fn ready(&self) -> Result<(), SendError> {
        self.with_app_token(|_| async { Ok(Answer::default()) }).await.map(drop)
    }

    /// Makes a call with the app's token, and once more if the token turns out to be over.
    pub(super) async fn with_app_token<F>(
        &self,
        call: impl Fn(Secret) -> F + Send,
    ) -> Result<Answer, SendError>
    where
        F: Future<Output = Result<Answer, SendError>> + Send,
    {
        let fetch = || -> Fetching<'_> { Box::pin(self.fetch_token()) };
        let of = TokenOf {
            tokens: &*self.ports.tokens,
            project: &self.project,
            name: &self.config.token_name,
            fetch: &fetch,
        };
        with_token(&of, is_over, call).await
    }

    /// Asks for a token. Nothing was pushed when this fails, so its failures are never doubt.
    pub(super) async fn fetch_token(&self) -> Result<Token, SendError> {
        let body = json!({"app_id": self.config.app_id, "app_secret": self.config.app_secret.expose()});
        let path = "/open-apis/auth/v3/tenant_access_token/internal";
        let result = async {
            let response = self.request("POST", path, Some(&body), None).await?;
            let answer = judge(&response, &self.config)?;
            let missing =
                || failure(SendFailure::Transient { after: None }, "no_token", "the answer has no token");
            answer.token().ok_or_else(missing)
        };
        result.await.map_err(|error| match error.failure {
            // What is wrong with asking for a token is wrong with the channel.
            SendFailure::Permanent => SendError { failure: SendFailure::Channel, ..error },
            _ => before_push(error),
        })
    }

    pub(super) fn url(&self, path: &str) -> Secret {
        Secret::new(format!("{}{path}", self.config.base_url))
    }

    /// Makes a request and reads its answer.
    pub(super) async fn judged(&self, request: HttpRequest) -> Result<Answer, SendError> {
        let response = self.ports.http.call(&self.route, request).await.map_err(unanswered)?;
        judge(&response, &self.config)
    }

    pub(super) async fn request(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
        token: Option<&Secret>,
    ) -> Result<HttpResponse, SendError> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = HttpRequest { method, ..HttpRequest::post_json(self.url(path), body) };
        if let Some(token) = token {
            request.headers.push(("authorization".to_owned(), format!("Bearer {}", token.expose())));
        }
        self.ports.http.call(&self.route, request).await.map_err(unanswered)
    }
}

/// A failure of what comes before a push: nothing was pushed, so there is nothing to be in doubt about.
pub(super) fn before_push(error: SendError) -> SendError {
    match error.failure {
        SendFailure::Doubt => SendError { failure: SendFailure::Transient { after: None }, ..error },
        _ => error,
    }
}

impl Answer {
    /// The token that stands beside `code`, with its own life.
    fn token(&self) -> Option<Token> {
        let value = self.more.get("tenant_access_token")?.as_str().filter(|value| !value.is_empty())?;
        let lives = self.more.get("expire").and_then(Value::as_u64).unwrap_or_default();
        Some(Token { value: Secret::new(value), lives: Duration::from_secs(lives) })
    }
}

fn message_id(answer: &Answer) -> Option<String> {
    answer.data.get("message_id").and_then(Value::as_str).map(str::to_owned)
}

/// The recipients that a batch's answer names as unknown; it went to the others.
fn invalid(to: &[Recipient], data: &Value) -> Vec<RecipientFailure> {
    let is_invalid = |id: &str| {
        let list = Id::of(id).batch().and_then(|(_, invalid)| data.get(invalid)?.as_array());
        list.is_some_and(|list| list.iter().any(|one| one == id))
    };
    let indexed = to.iter().enumerate().filter(|(_, recipient)| is_invalid(address(recipient)));
    indexed
        .map(|(index, _)| RecipientFailure {
            index,
            code: "invalid_id".to_owned(),
            text: "Feishu does not know this id, or the app may not write to it".to_owned(),
        })
        .collect()
}

/// A push's id as a uuid; one that is too long is shortened so that different ones stay different.
fn uuid(push_id: &str) -> String {
    if push_id.len() <= UUID_LIMIT {
        return push_id.to_owned();
    }
    let hash = digest::digest(&digest::SHA256, push_id.as_bytes());
    hash.as_ref().iter().take(UUID_LIMIT / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feishu_app::config::tests::config;
    use crate::testing::{Case, judge_all};

    #[test]
    fn every_answer_has_its_meaning() {
        let config = config("secret-1234");
        let judge = |case: &Case| {
            let retry_after = (case.status == 429).then_some(Duration::from_secs(7));
            let answer = judge(&HttpResponse { retry_after, ..case.response() }, &config)?;
            Ok(format!("Ok {:?} {:?}", message_id(&answer), answer.token().map(|token| token.lives)))
        };
        let over = |error: &SendError| if is_over(error) { "over" } else { "" };
        judge_all(include_str!("fixtures/answers.json"), &["secret-1234"], judge, over);
    }

    #[test]
    fn a_uuid_is_the_push_or_stands_for_it() {
        assert_eq!(uuid("01JD-3-7"), "01JD-3-7");
        let (one, other) = (uuid(&"x".repeat(51)), uuid(&"x".repeat(52)));
        assert_eq!((one.len(), one == other), (UUID_LIMIT, false));
    }
}
