//! Calls to WeCom: the access token, sending, taking back, changing a card.

use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{Attachment, Fetching, HttpRequest, Push, Receipt, SendError, SendFailure, Token};
use serde_json::{Value, json};

use super::WecomApp;
use super::recipients::Lists;
use super::table::{before_push, is_gone, is_over, judge};
use super::{card, media};
use crate::outcome::{failure, not_json, unanswered};
use crate::token::{TokenOf, with_token};

const SEND: &str = "/cgi-bin/message/send";

/// WeCom waits 5 s for the answer to a click, and the card is changed within them.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(3);

impl WecomApp {
    pub(super) async fn push(&self, push: &Push<'_>) -> Result<Receipt, SendError> {
        let lists = Lists::of(push.to);
        if lists.are_empty() {
            let text = "nobody of this push has a WeCom address";
            return Err(failure(SendFailure::Permanent, "bad_push", text));
        }
        let mut message = push.part.payload.clone();
        lists.write_into(&mut message);
        let file = push.part.file.map(|at| push.attachments.get(at));
        let sent = match file {
            None => {
                card::name(&mut message, push.push_id);
                self.call(SEND, &message).await
            }
            Some(Some(file)) => self.push_file(file, &mut message).await,
            Some(None) => {
                Err(failure(SendFailure::Permanent, "bad_push", "the file of this part is not there"))
            }
        };
        let answer = match sent {
            // The name of a card is the push's own and always of the right form. So this says that it is taken, by an
            // earlier try whose answer was lost.
            Err(error) if push.again && error.code == "42014" && card::is_named(&message) => Value::Null,
            other => other?,
        };
        let platform_id = answer.get("msgid").and_then(Value::as_str).filter(|id| !id.is_empty());
        Ok(Receipt { platform_id: platform_id.map(str::to_owned), refused: lists.refused(&answer) })
    }

    /// Uploads a file, unless WeCom has it, and sends it. One that WeCom has no more is uploaded once again.
    async fn push_file(&self, file: &Attachment, message: &mut Value) -> Result<Value, SendError> {
        let began = self.ports.clock.now();
        let kind = media::kind_of(message);
        let mut rejected = None;
        loop {
            let id = self.media(file, kind, rejected.as_ref()).await?;
            if self.ports.clock.now().since(began) > media::PATIENCE {
                let text = "uploading took long; the file is sent by the next try, which finds it uploaded";
                return Err(failure(SendFailure::Transient { after: None }, "slow_upload", text));
            }
            message[kind]["media_id"] = id.expose().into();
            match self.call(SEND, message).await {
                Err(error) if is_gone(&error) && rejected.is_none() => rejected = Some(id),
                result => return result,
            }
        }
    }

    pub(super) async fn take_back(&self, msgid: &str) -> Result<(), SendError> {
        self.call("/cgi-bin/message/recall", &json!({"msgid": msgid})).await.map(drop)
    }

    /// Turns the buttons of a card into one that is grey, for whoever pressed.
    pub(super) async fn change_card(&self, then: &Value) -> Result<(), SendError> {
        let body = json!({
            "userids": [then["user"]],
            "agentid": self.config.agent_id,
            "response_code": then["response_code"],
            "button": {"replace_name": self.config.pressed_label},
        });
        let path = "/cgi-bin/message/update_template_card";
        match self.call_within(path, &body, CHANGE_TIMEOUT).await {
            // The click was told twice, and this was done at the first time.
            Err(error) if error.code == "60140" => Ok(()),
            result => result.map(drop),
        }
    }

    pub(super) async fn call(&self, path: &str, body: &Value) -> Result<Value, SendError> {
        self.call_within(path, body, Duration::from_secs(15)).await
    }

    async fn call_within(&self, path: &str, body: &Value, timeout: Duration) -> Result<Value, SendError> {
        let body = bytes::Bytes::from(body.to_string());
        self.with_token(|token| {
            let url = self.url(path, &token, "");
            let request = HttpRequest { timeout, ..HttpRequest::post_json(url, body.clone()) };
            async move { self.request(request, &token).await }
        })
        .await
    }

    /// Gets a token if there is none. What is found or uploaded is kept under the account's name, and so is a failure to do
    /// so: a wrong secret has to show before, where it fails this channel alone.
    pub(super) async fn ready(&self) -> Result<(), SendError> {
        self.with_token(|_| async { Ok(Value::Null) }).await.map(drop)
    }

    /// Makes a call with the app's token, and once more if the token turns out to be over.
    pub(super) async fn with_token<F>(&self, call: impl Fn(Secret) -> F + Send) -> Result<Value, SendError>
    where
        F: Future<Output = Result<Value, SendError>> + Send,
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

    pub(super) fn url(&self, path: &str, token: &Secret, more: &str) -> Secret {
        Secret::new(format!("{}{path}?access_token={}{more}", self.config.base_url, token.expose()))
    }

    /// One request with a token.
    pub(super) async fn request(&self, request: HttpRequest, token: &Secret) -> Result<Value, SendError> {
        let response = self.ports.http.call(&self.route, request).await.map_err(unanswered)?;
        judge(&response, self.config.secrets().chain([token]))
    }

    /// Asks for a token. Nothing was pushed when this fails, so its failures are never doubt.
    pub(super) async fn fetch_token(&self) -> Result<Token, SendError> {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("corpid", &self.config.corp_id)
            .append_pair("corpsecret", self.config.secret.expose())
            .finish();
        let url = Secret::new(format!("{}/cgi-bin/gettoken?{query}", self.config.base_url));
        let result = async {
            let response = self.ports.http.call(&self.route, get(url)).await.map_err(unanswered)?;
            let answer = judge(&response, self.config.secrets())?;
            let token = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
            let lives = answer.get("expires_in").and_then(Value::as_u64);
            match (token, lives) {
                (Some(token), Some(lives)) => {
                    Ok(Token { value: Secret::new(token), lives: Duration::from_secs(lives) })
                }
                _ => Err(not_json(&response)),
            }
        };
        result.await.map_err(|error| match error.failure {
            // What is wrong with asking for a token is wrong with the channel.
            SendFailure::Permanent => SendError { failure: SendFailure::Channel, ..error },
            _ => before_push(error),
        })
    }
}

/// A GET with the usual bounds.
pub(super) fn get(url: Secret) -> HttpRequest {
    HttpRequest { method: "GET", headers: Vec::new(), ..HttpRequest::post_json(url, "") }
}
