//! One call, and what its answer means.

use bytes::Bytes;
use mc_content::Escape;
use mc_core::Secret;
use mc_core::ports::{HttpRequest, HttpResponse, Push, Receipt, Route, SendError, SendFailure};
use serde_json::Value;
use url::form_urlencoded;

use super::config::{BodyTemplate, Config};
use super::login;
use super::sign::ToSign;
use crate::outcome::{failure, unanswered, words};
use crate::registry::Ports;
use crate::token::{TokenOf, with_token};

pub(super) async fn send(
    config: &Config,
    route: &Route,
    ports: &Ports,
    push: &Push<'_>,
) -> Result<Receipt, SendError> {
    let Some(login) = &config.login else { return once(config, route, ports, push, None).await };
    let fetch = || login.fetch(route, &*ports.http);
    let of = TokenOf { tokens: &*ports.tokens, project: push.project, name: &login.name, fetch: &fetch };
    let is_over = |error: &SendError| error.code == login::OVER;
    with_token(&of, is_over, |token| async move { once(config, route, ports, push, Some(&token)).await })
        .await
}

/// One call, with the token if there is a login.
async fn once(
    config: &Config,
    route: &Route,
    ports: &Ports,
    push: &Push<'_>,
    token: Option<&Secret>,
) -> Result<Receipt, SendError> {
    let request = request(config, ports, push, token).ok_or_else(|| {
        failure(
            SendFailure::Permanent,
            "bad_payload",
            "the payload is not one that this channel has rendered",
        )
    })?;
    let response = ports.http.call(route, request).await.map_err(unanswered)?;
    if config.login.as_ref().is_some_and(|login| login.is_over(&response)) {
        let text = "the receiver refuses the token that it has just given out";
        return Err(failure(SendFailure::Channel, login::OVER, text));
    }
    judge(config, &response, token)
}

fn request(config: &Config, ports: &Ports, push: &Push<'_>, token: Option<&Secret>) -> Option<HttpRequest> {
    let payload = &push.part.payload;
    let fill = Fill::of(config, push, token);
    let body = match payload.get("body")? {
        Value::Null => Bytes::new(),
        Value::String(text) => fill.bytes(text.clone(), body_escape(&config.body)),
        document => fill.bytes(serde_json::to_string(document).ok()?, Escape::Json),
    };
    let given = payload.get("headers")?.as_object()?;
    let mut headers = Vec::with_capacity(given.len() + 4);
    for (name, value) in given {
        let credential = config.credentials.iter().find(|(known, _)| known == name);
        headers.push(match credential {
            Some((name, value)) => (name.clone(), value.expose().to_owned()),
            None => (name.clone(), fill.text(value.as_str()?.to_owned(), Escape::None)),
        });
    }
    headers.push(("webhook-id".to_owned(), push.push_id.to_owned()));
    let url = fill.text(payload.get("url")?.as_str()?.to_owned(), Escape::Url);
    let url = match (&config.login, token) {
        (Some(login), Some(token)) => login.apply(token, &url, &mut headers),
        _ => Secret::new(url),
    };
    let (id, now) = (push.push_id, ports.clock.now());
    let what = ToSign { id, now, method: config.method, url: url.expose(), body: &body };
    config.signer.sign(&what, &mut headers)?;
    // Where no rule reads the body, the status alone decides; where one does, it misses what it looks for.
    let request = HttpRequest::post_json(url, body);
    Some(HttpRequest { method: config.method, headers, body_optional: true, ..request })
}

fn body_escape(body: &BodyTemplate) -> Escape {
    match body {
        BodyTemplate::Text { escape, .. } => *escape,
        BodyTemplate::Default | BodyTemplate::Json(_) => Escape::Json,
    }
}

/// Puts the login's token where templates named it. It is not known when they are rendered, and no preview shows it.
struct Fill<'a>(Option<(String, &'a Secret)>);

impl<'a> Fill<'a> {
    fn of(config: &Config, push: &Push<'_>, token: Option<&'a Secret>) -> Self {
        let login = config.login.as_ref().filter(|login| login.is_named());
        Self(login.zip(token).map(|(login, token)| (login.mark(&push.message.to_string()), token)))
    }

    fn text(&self, text: String, escape: Escape) -> String {
        match &self.0 {
            Some((mark, token)) if text.contains(mark.as_str()) => {
                text.replace(mark.as_str(), &escaped(token.expose(), escape))
            }
            _ => text,
        }
    }

    fn bytes(&self, text: String, escape: Escape) -> Bytes {
        self.text(text, escape).into()
    }
}

fn escaped(token: &str, escape: Escape) -> String {
    match escape {
        Escape::None => token.to_owned(),
        Escape::Url => {
            form_urlencoded::byte_serialize(token.as_bytes()).collect::<String>().replace('+', "%20")
        }
        Escape::Json => {
            let quoted = Value::from(token).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

/// What an answer means, told without the secrets and the token that the request carried.
pub(super) fn judge(
    config: &Config,
    response: &HttpResponse,
    token: Option<&Secret>,
) -> Result<Receipt, SendError> {
    let status = response.status;
    let accepted = match config.success.statuses.as_slice() {
        [] => (200..300).contains(&status),
        statuses => statuses.contains(&status),
    };
    let clean = |said: &str| words(said, config.secrets.iter().chain(token));
    let text = || clean(&String::from_utf8_lossy(&response.body));
    if !accepted {
        return Err(failure(by_status(config, response), format!("http_{status}"), text()));
    }
    if config.success.answer.is_none() && config.message_id.is_none() {
        return Ok(Receipt::default());
    }
    let answer = serde_json::from_slice::<Value>(&response.body).ok();
    if let Some((pointer, expected)) = &config.success.answer {
        let Some(answer) = &answer else {
            // Something between us answered in the receiver's place, or it broke off: nobody knows.
            let text = "the answer is not JSON, is too large or broke off";
            return Err(failure(SendFailure::Doubt, format!("http_{status}"), text));
        };
        let found = answer.pointer(pointer).unwrap_or(&Value::Null);
        if !same(found, expected) {
            return Err(failure(SendFailure::Permanent, clean(&plain(found)), text()));
        }
    }
    let id = config.message_id.as_ref().and_then(|pointer| answer.as_ref()?.pointer(pointer));
    Ok(Receipt { platform_id: id.filter(|id| !id.is_null()).map(plain), refused: Vec::new() })
}

/// What a status means for the next try.
fn by_status(config: &Config, response: &HttpResponse) -> SendFailure {
    let after = response.retry_after;
    match response.status {
        429 => SendFailure::Throttled { after },
        408 | 425 | 500..=599 => SendFailure::Transient { after },
        // The credentials, or a redirect that nobody follows: every message will meet it.
        300..=399 | 401 | 403 | 405 | 407 => SendFailure::Channel,
        // With a path made of values, it may be this message's room that is gone.
        404 | 410 if !config.url.varies => SendFailure::Channel,
        _ => SendFailure::Permanent,
    }
}

/// Numbers and texts are compared by what they say, as many an API writes `"0"` for 0.
pub(super) fn same(found: &Value, expected: &Value) -> bool {
    if found == expected {
        return true;
    }
    let scalar = |value: &Value| value.is_string() || value.is_number();
    scalar(found) && scalar(expected) && plain(found) == plain(expected)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
