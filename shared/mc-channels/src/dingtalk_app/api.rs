//! The calls of a DingTalk app.

use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{Fetching, HttpRequest, HttpResponse, Push, Receipt, SendError, SendFailure, Token};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::table::{Answer, is_over, judge};
use super::{DingtalkApp, media, people};
use crate::outcome::{failure, unanswered};
use crate::token::{TokenOf, with_token};

/// Where the calls about work notifications are.
const CONVERSATION: &str = "/topapi/message/corpconversation";

impl DingtalkApp {
    pub(super) async fn push(&self, push: &Push<'_>) -> Result<Receipt, SendError> {
        let mut body = push.part.payload.clone();
        body["agent_id"] = self.config.agent_id.into();
        let refused = people::address(&mut body, push.to);
        if refused.len() == push.to.len() {
            let text = "nobody of this push has an address on DingTalk";
            return Err(failure(SendFailure::Permanent, "no_address", text));
        }
        let answer = match push.part.file {
            None => self.about("asyncsend_v2", &body).await?,
            Some(at) => self.push_file(push, at, &mut body).await?,
        };
        Ok(Receipt { platform_id: answer.text("task_id"), refused })
    }

    /// Uploads a file, unless DingTalk has it, and sends it by its id; once more if DingTalk has forgotten it.
    async fn push_file(&self, push: &Push<'_>, at: usize, body: &mut Value) -> Result<Answer, SendError> {
        let kind = media::kind_of(body);
        let file = push.attachments.get(at);
        let missing = || failure(SendFailure::Permanent, "no_file", "the file of this message is not there");
        let file = file.ok_or_else(missing)?;
        let began = self.ports.clock.now();
        let mut rejected = None;
        loop {
            let id = self.media(file, kind, rejected.as_ref()).await?;
            if self.ports.clock.now().since(began) > media::PATIENCE {
                let text = "uploading took long; the file is sent by the next try, which finds it uploaded";
                return Err(failure(SendFailure::Transient { after: None }, "slow_upload", text));
            }
            body["msg"][kind]["media_id"] = id.expose().into();
            match self.about("asyncsend_v2", body).await {
                Err(error) if media::is_unknown(&error) && rejected.is_none() => rejected = Some(id),
                result => return result,
            }
        }
    }

    /// A call about work notifications.
    pub(super) async fn about(&self, what: &str, body: &Value) -> Result<Answer, SendError> {
        let path = format!("{CONVERSATION}/{what}");
        let text = body.to_string();
        self.with_token(|token| {
            let url = self.url(&path, &token, "");
            let request = HttpRequest::post_json(url, text.clone());
            async move { judge(&self.request(request).await?, &self.config, Some(&token)) }
        })
        .await
    }

    /// Gets a token if there is none. What is found or uploaded is kept under the account's name, and so is a failure to do
    /// so: a wrong secret has to show before, where it fails this channel alone.
    pub(super) async fn ready(&self) -> Result<(), SendError> {
        self.with_token(|_| async { Ok(Answer::default()) }).await.map(drop)
    }

    /// Makes a call with the app's token, and once more if the token turns out to be over.
    pub(super) async fn with_token<F>(&self, call: impl Fn(Secret) -> F + Send) -> Result<Answer, SendError>
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

    /// Asks for a token. Its parameters stand in the query, though it is a secret that they hold.
    pub(super) async fn fetch_token(&self) -> Result<Token, SendError> {
        let (key, secret) = (encoded(&self.config.app_key), encoded(self.config.app_secret.expose()));
        let url = format!("{}/gettoken?appkey={key}&appsecret={secret}", self.config.base_url);
        let request = HttpRequest {
            method: "GET",
            headers: Vec::new(),
            ..HttpRequest::post_json(Secret::new(url), "")
        };
        let answer = async { judge(&self.request(request).await?, &self.config, None) };
        let answer = answer.await.map_err(before_push).map_err(|error| match error.failure {
            // What is wrong with asking for a token is wrong with the channel.
            SendFailure::Permanent => SendError { failure: SendFailure::Channel, ..error },
            _ => error,
        })?;
        let missing =
            || failure(SendFailure::Transient { after: None }, "no_token", "the answer has no token");
        let value = answer.text("access_token").ok_or_else(missing)?;
        let lives = answer.text("expires_in").and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
        Ok(Token { value: Secret::new(value), lives: Duration::from_secs(lives) })
    }

    pub(super) fn url(&self, path: &str, token: &Secret, more: &str) -> Secret {
        Secret::new(format!("{}{path}?access_token={}{more}", self.config.base_url, encoded(token.expose())))
    }

    pub(super) async fn request(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        self.ports.http.call(&self.route, request).await.map_err(unanswered)
    }

    /// The body of a question about one message.
    pub(super) fn of_task(&self, name: &str, platform_id: &str) -> Result<Value, SendError> {
        let bad = || failure(SendFailure::Permanent, "bad_id", "this is no task of DingTalk");
        let task: u64 = platform_id.parse().map_err(|_| bad())?;
        Ok(json!({"agent_id": self.config.agent_id, name: task}))
    }
}

/// What fails before a push: nothing was sent, so nothing is in doubt.
pub(super) fn before_push(error: SendError) -> SendError {
    match error.failure {
        SendFailure::Doubt => SendError { failure: SendFailure::Transient { after: None }, ..error },
        _ => error,
    }
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
