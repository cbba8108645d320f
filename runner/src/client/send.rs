//! `send`: one message.

use std::io::Read;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::http::{Client, Failure, block_on};
use crate::cli::SendArgs;

/// Sends one message and prints the answer; with `--wait` the final status, which is a failure unless it is `completed`.
pub fn send(args: SendArgs) -> Result<(), Failure> {
    let body = body(&args)?;
    let key = args.idempotency_key;
    let wait = args.wait;
    let client = Client::new(args.access)?;
    let answer = block_on(async {
        let headers: Vec<(&str, &str)> = key.iter().map(|k| ("idempotency-key", k.as_str())).collect();
        let answer = client.call("POST", "/v1/messages", Some(&body), &headers).await?;
        match (wait, answer["id"].as_str()) {
            (Some(seconds), Some(id)) => wait_for(&client, id, seconds).await,
            _ => Ok(answer),
        }
    })?;
    println!("{}", serde_json::to_string_pretty(&answer)?);
    match answer["status"].as_str() {
        Some(status) if wait.is_some() && status != "completed" => {
            Err(format!("the message is {status}: not everybody was reached").into())
        }
        _ => Ok(()),
    }
}

async fn wait_for(client: &Client, id: &str, seconds: u64) -> Result<Value, Failure> {
    let path = format!("/v1/messages/{id}");
    for _ in 0..seconds.saturating_mul(4).max(1) {
        let message = client.call("GET", &path, None, &[]).await?;
        if !matches!(message["status"].as_str(), Some("scheduled" | "queued" | "processing")) {
            return Ok(message);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Err(format!("{id} has no final status after {seconds} s; look again with GET {path}").into())
}

fn body(args: &SendArgs) -> Result<Value, Failure> {
    let mut body = Map::new();
    let content = match (&args.text, &args.markdown) {
        (Some(text), _) => Some(("text", text)),
        (None, Some(markdown)) => Some(("markdown", markdown)),
        (None, None) => None,
    };
    match (&args.template, content) {
        (Some(template), _) => {
            body.insert("template".into(), json!(template));
        }
        (None, Some((format, text))) => {
            body.insert(
                "content".into(),
                json!({"title": args.title, "body": text_of(text)?, "format": format}),
            );
        }
        (None, None) => return Err("give --template, --text or --markdown".into()),
    }
    body.insert("to".into(), args.to.iter().map(|to| recipient(to)).collect());
    if !args.channel.is_empty() {
        body.insert("routing".into(), json!({"channels": args.channel}));
    }
    body.insert("data".into(), Value::Object(data(&args.data)?));
    if args.dry_run {
        body.insert("dry_run".into(), Value::Bool(true));
    }
    Ok(Value::Object(body))
}

fn text_of(given: &str) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// `email:a@b.c` is an address; anything else names a contact or a group.
fn recipient(to: &str) -> Value {
    const KINDS: [&str; 6] = ["email", "mobile", "wecom", "dingtalk", "wechat", "feishu"];
    match to.split_once(':') {
        Some((kind, address)) if KINDS.contains(&kind) => json!({kind: address}),
        _ => json!(to),
    }
}

fn data(pairs: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut data = Map::new();
    for pair in pairs {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| format!("--data {pair} is not name=text or name:=JSON"))?;
        match name.strip_suffix(':') {
            Some(name) => {
                let value = serde_json::from_str(value);
                let value =
                    value.map_err(|error| format!("--data {name}:= is followed by no JSON: {error}"))?;
                data.insert(name.to_owned(), value)
            }
            None => data.insert(name.to_owned(), json!(value)),
        };
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_text_or_json() {
        let data = data(&["app=pay".into(), "count:=3".into(), "query=a=b".into()]).unwrap();
        assert_eq!(Value::Object(data), json!({"app": "pay", "count": 3, "query": "a=b"}));
        let broken = super::data(&["name:={bad".into()]).unwrap_err().to_string();
        assert!(broken.starts_with("--data name:= is followed by no JSON"), "{broken}");
    }

    #[test]
    fn recipients_are_addresses_or_names() {
        assert_eq!(recipient("email:a@b.c"), json!({"email": "a@b.c"}));
        assert_eq!(recipient("@ops"), json!("@ops"));
    }
}
