//! What Feishu tells: who read a message, who pressed a button.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::ports::{CallbackAnswer, CallbackError, CallbackRequest, News};
use mc_core::state::State;
use serde_json::{Value, json};

use super::config::Config;
use super::crypt;

/// Events are told again for six hours, with the signature of the first time for all we know.
const EVENT_AGE: Duration = Duration::from_secs(7 * 3600);
/// Clicks are told once.
const CLICK_AGE: Duration = Duration::from_secs(300);

const CLICK: &str = "card.action.trigger";

/// Checks and reads a call.
pub(super) fn read(
    config: &Config,
    now: Timestamp,
    request: &CallbackRequest<'_>,
) -> Result<CallbackAnswer, CallbackError> {
    let signature = request.header("x-lark-signature").filter(|signature| !signature.is_empty());
    if signature.is_some_and(|signature| signature.len() == 40) {
        return old_card(config, now, request);
    }
    let (event, signed) = match (&config.encrypt_key, &config.verification_token) {
        (None, None) => return Err(CallbackError::NotConfigured("/secrets/encrypt_key")),
        (Some(key), _) => {
            let signed = match signature {
                Some(given) => {
                    let (time, nonce) = time_and_nonce(request);
                    if !crypt::signs_event(given, time, nonce, key, request.body) {
                        return Err(CallbackError::Signature);
                    }
                    true
                }
                None => false,
            };
            let outer = json(request.body)?;
            let Some(sealed) = outer.get("encrypt").and_then(Value::as_str) else {
                return Err(CallbackError::Signature);
            };
            let opened = crypt::open(key, sealed).ok_or(CallbackError::Signature)?;
            (json(&opened)?, signed)
        }
        (None, Some(_)) => {
            let event = json(request.body)?;
            if event.get("encrypt").is_some() {
                return Err(CallbackError::NotConfigured("/secrets/encrypt_key"));
            }
            (event, false)
        }
    };
    let is_challenge = text(&event, "/type") == "url_verification";
    // Whoever can seal has the key, which is enough for a challenge; an event must be signed as well. Without a key the
    // token inside of the event is all there is.
    let token_counts = config.encrypt_key.is_none() || (is_challenge && !signed);
    if let Some(token) = config.verification_token.as_ref().filter(|_| token_counts)
        && !crypt::same(token, token_of(&event))
    {
        return Err(CallbackError::Signature);
    }
    if is_challenge {
        return Ok(CallbackAnswer::json(&json!({"challenge": text(&event, "/challenge")}), Vec::new()));
    }
    let age = if text(&event, "/header/event_type") == CLICK { CLICK_AGE } else { EVENT_AGE };
    if config.encrypt_key.is_some() && !(signed && is_recent(age, now, request)) {
        return Err(CallbackError::Signature);
    }
    Ok(CallbackAnswer::json(&json!({}), news(&event)))
}

/// A click on a card of the first kind, which signs with the Verification Token and is not encrypted.
fn old_card(
    config: &Config,
    now: Timestamp,
    request: &CallbackRequest<'_>,
) -> Result<CallbackAnswer, CallbackError> {
    let token = config.verification_token.as_ref();
    let token = token.ok_or(CallbackError::NotConfigured("/secrets/verification_token"))?;
    let (time, nonce) = time_and_nonce(request);
    let given = request.header("x-lark-signature").unwrap_or_default();
    if !crypt::signs_old_card(given, time, nonce, token, request.body) {
        return Err(CallbackError::Signature);
    }
    let event = json(request.body)?;
    if text(&event, "/type") == "url_verification" {
        return Ok(CallbackAnswer::json(&json!({"challenge": text(&event, "/challenge")}), Vec::new()));
    }
    if !is_recent(CLICK_AGE, now, request) {
        return Err(CallbackError::Signature);
    }
    // These have no id. The time and the nonce, which are signed, are others for every press.
    let news = click(&event, &format!("{time}-{nonce}"), "/open_message_id", "/open_id");
    Ok(CallbackAnswer::json(&json!({}), vec![news]))
}

fn json(bytes: &[u8]) -> Result<Value, CallbackError> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|_| CallbackError::Malformed("this is no JSON".to_owned()))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(CallbackError::Malformed("this is no JSON object".to_owned()))
    }
}

fn time_and_nonce<'r>(request: &CallbackRequest<'r>) -> (&'r str, &'r str) {
    let header = |name: &str| {
        let found = request.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    (header("x-lark-request-timestamp"), header("x-lark-request-nonce"))
}

/// Whether the time that was signed is at most so long ago.
fn is_recent(age: Duration, now: Timestamp, request: &CallbackRequest<'_>) -> bool {
    let seconds = time_and_nonce(request).0.parse::<i64>().ok();
    let millis = seconds.and_then(|seconds| seconds.checked_mul(1000));
    millis.is_some_and(|millis| u128::from(millis.abs_diff(now.millis())) <= age.as_millis())
}

/// The Verification Token, which lies in the head of newer events and on top of older ones.
fn token_of(event: &Value) -> &str {
    match text(event, "/header/token") {
        "" => text(event, "/token"),
        token => token,
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What an event says. Contents of messages that people write are nobody's business here, and are not told.
fn news(event: &Value) -> Vec<News> {
    let null = Value::Null;
    let body = event.get("event").unwrap_or(&null);
    let receipt = |id: &str, state, time| News::Receipt {
        platform_id: id.to_owned(),
        // Reading is told of private chats only, in which a push has one recipient; a recall takes all of it back.
        to: None,
        state,
        code: None,
        text: None,
        at: millis(time),
    };
    match text(event, "/header/event_type") {
        "im.message.message_read_v1" => {
            let ids = body.get("message_id_list").and_then(Value::as_array).into_iter().flatten();
            let time = text(body, "/reader/read_time");
            ids.filter_map(Value::as_str).map(|id| receipt(id, State::Read, time)).collect()
        }
        "im.message.recalled_v1" => match text(body, "/message_id") {
            "" => Vec::new(),
            id => vec![receipt(id, State::Recalled, text(body, "/recall_time"))],
        },
        CLICK => {
            let id = text(event, "/header/event_id");
            vec![click(body, id, "/context/open_message_id", "/operator/open_id")]
        }
        other => {
            let named = [other, text(event, "/event/type")].into_iter().find(|name| !name.is_empty());
            let what = named.unwrap_or("event");
            vec![News::Other {
                what: what.to_owned(),
                data: json!({"event_id": text(event, "/header/event_id")}),
            }]
        }
    }
}

/// A click: which button, on which message, by whom, and all that was entered. The event's id tells the second press of a
/// button from the first one that is told again.
fn click(event: &Value, id: &str, message: &str, user: &str) -> News {
    let null = Value::Null;
    let action = event.get("action").unwrap_or(&null);
    let value = action.get("value").unwrap_or(&null);
    // Our buttons carry their key; others are known by their name, or by what they are.
    let key = [value.get("action"), Some(value), action.get("name"), action.get("tag")];
    let key = key.into_iter().flatten().find_map(Value::as_str).unwrap_or("click");
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut data = action.as_object().cloned().unwrap_or_default();
    data.insert("operator".to_owned(), event.get("operator").cloned().unwrap_or_default());
    data.insert("event_id".to_owned(), id.into());
    News::Action {
        platform_id: filled(text(event, message)),
        user: filled(text(event, user)),
        action: key.to_owned(),
        data: data.into(),
    }
}

fn millis(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use aes::Aes256;
    use aes::cipher::block_padding::Pkcs7;
    use aes::cipher::{BlockModeEncrypt, KeyIvInit};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use mc_core::Secret;
    use ring::digest;

    use super::*;
    use crate::feishu_app::config::tests::config;

    const NOW: Timestamp = Timestamp::from_millis(1_608_725_989_000);
    const TOKEN: &str = "rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV";

    fn keyed() -> Config {
        Config {
            encrypt_key: Some(Secret::new("test key")),
            verification_token: Some(Secret::new(TOKEN)),
            ..config("s")
        }
    }

    fn tokened() -> Config {
        Config { verification_token: Some(Secret::new(TOKEN)), ..config("s") }
    }

    fn hex(algorithm: &'static digest::Algorithm, texts: &[&str]) -> String {
        let hash = digest::digest(algorithm, texts.concat().as_bytes());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn sealed(event: &Value) -> String {
        let text = event.to_string();
        let mut bytes = [text.as_bytes(), &[0; 16]].concat();
        let key = digest::digest(&digest::SHA256, b"test key");
        let cipher = cbc::Encryptor::<Aes256>::new_from_slices(key.as_ref(), &[7; 16]).unwrap();
        let sealed = cipher.encrypt_padded::<Pkcs7>(&mut bytes, text.len()).unwrap();
        json!({"encrypt": STANDARD.encode([&[7; 16], sealed].concat())}).to_string()
    }

    fn headers(time: &str, signature: String) -> Vec<(String, String)> {
        let pairs = [
            ("x-lark-request-timestamp", time.to_owned()),
            ("x-lark-request-nonce", "n".to_owned()),
            ("x-lark-signature", signature),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn signed(time: &str, body: &str) -> Vec<(String, String)> {
        headers(time, hex(&digest::SHA256, &[time, "n", "test key", body]))
    }

    fn call(
        config: &Config,
        headers: &[(String, String)],
        body: &str,
    ) -> Result<CallbackAnswer, CallbackError> {
        read(config, NOW, &CallbackRequest { method: "POST", query: "", headers, body: body.as_bytes() })
    }

    fn event(event_type: &str, event: Value) -> Value {
        let header = json!({"event_id": "e1", "event_type": event_type, "create_time": "1608725989000",
            "token": TOKEN, "app_id": "cli_1", "tenant_key": "t"});
        json!({"schema": "2.0", "header": header, "event": event})
    }

    #[test]
    fn a_challenge_is_given_back() {
        let plain = json!({"challenge": "c", "token": TOKEN, "type": "url_verification"});
        let expected = CallbackAnswer::json(&json!({"challenge": "c"}), Vec::new());
        assert_eq!(call(&tokened(), &[], &plain.to_string()).unwrap(), expected);
        assert_eq!(call(&keyed(), &[], &sealed(&plain)).unwrap(), expected);
        let body = sealed(&plain);
        assert_eq!(call(&keyed(), &signed("1", &body), &body).unwrap(), expected, "however old");
        let wrong = json!({"challenge": "c", "token": "x", "type": "url_verification"});
        assert_eq!(call(&tokened(), &[], &wrong.to_string()), Err(CallbackError::Signature));
        assert_eq!(call(&keyed(), &[], &sealed(&wrong)), Err(CallbackError::Signature));
        assert_eq!(call(&keyed(), &[], &plain.to_string()), Err(CallbackError::Signature), "not sealed");
    }

    #[test]
    fn reading_and_recalling_are_receipts() {
        let ids = json!(["om_1", "om_2"]);
        let read = json!({"reader": {"reader_id": {"open_id": "ou_1"}, "read_time": "1609484183000"}, "message_id_list": ids});
        let body = sealed(&event("im.message.message_read_v1", read));
        let answer = call(&keyed(), &signed("1608725989", &body), &body).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
        let receipt = |id: &str, state, at| News::Receipt {
            platform_id: id.to_owned(),
            to: None,
            state,
            code: None,
            text: None,
            at: Some(Timestamp::from_millis(at)),
        };
        let read = |id| receipt(id, State::Read, 1_609_484_183_000);
        assert_eq!(answer.news, [read("om_1"), read("om_2")]);
        let recalled =
            event("im.message.recalled_v1", json!({"message_id": "om_1", "recall_time": "1615380573411"}));
        let answer = call(&tokened(), &[], &recalled.to_string()).unwrap();
        assert_eq!(answer.news, [receipt("om_1", State::Recalled, 1_615_380_573_411)]);
    }

    #[test]
    fn clicks_are_actions() {
        let click = |action: Value| {
            event(
                CLICK,
                json!({"operator": {"open_id": "ou_1", "user_id": "u1"}, "token": "c-295ee57216a5dc9de90f",
                "action": action, "context": {"open_message_id": "om_1", "open_chat_id": "oc_1"}}),
            )
        };
        for (action, expected) in [
            (json!({"tag": "button", "value": {"action": "approve", "x": 1}}), "approve"),
            (json!({"tag": "button", "value": "yes"}), "yes"),
            (json!({"tag": "button", "name": "Button_1", "form_value": {"f": "v"}}), "Button_1"),
            (json!({"tag": "checker", "checked": true, "value": {}}), "checker"),
            (json!(null), "click"),
        ] {
            let body = sealed(&click(action));
            let answer = call(&keyed(), &signed("1608725989", &body), &body).unwrap();
            let [News::Action { platform_id, user, action, data }] = &answer.news[..] else {
                panic!("{answer:?}")
            };
            assert_eq!((platform_id.as_deref(), user.as_deref()), (Some("om_1"), Some("ou_1")));
            assert_eq!(action, expected);
            assert!(
                !data.to_string().contains("c-295ee57216a5dc9de90f"),
                "the card's credential is not told"
            );
        }
    }

    #[test]
    fn a_second_press_of_a_button_is_not_the_first_one_told_again() {
        let told = |event_id: &str, time: &str| {
            let body = json!({"operator": {"open_id": "ou_1"}, "context": {"open_message_id": "om_1"},
                "action": {"tag": "button", "value": {"action": "approve"}}});
            let mut click = event(CLICK, body);
            click["header"]["event_id"] = event_id.into();
            let body = sealed(&click);
            call(&keyed(), &signed(time, &body), &body).unwrap().news
        };
        let first = told("e1", "1608725980");
        assert!(matches!(&first[..], [News::Action { data, .. }] if data["event_id"] == "e1"), "{first:?}");
        assert_eq!(first, told("e1", "1608725985"), "the same event, signed anew");
        assert_ne!(first, told("e2", "1608725985"));
    }

    #[test]
    fn clicks_on_old_cards_are_signed_in_their_own_way() {
        let body = json!({"open_id": "ou_1", "open_message_id": "om_1", "token": "c-1", "action": {"value": {"action": "go"}, "tag": "button"}}).to_string();
        let headers = |time: &str, token: &str| {
            headers(time, hex(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[time, "n", token, &body]))
        };
        let now = "1608725989";
        for config in [keyed(), tokened()] {
            let told = |time: &str| call(&config, &headers(time, TOKEN), &body);
            let first = told(now).unwrap();
            let [News::Action { action, user, data, .. }] = &first.news[..] else { panic!("{first:?}") };
            assert_eq!((action.as_str(), user.as_deref()), ("go", Some("ou_1")));
            assert_eq!(data["event_id"], "1608725989-n");
            assert_eq!(told(now).unwrap(), first, "the same press");
            assert_ne!(told("1608725988").unwrap(), first, "another press");
            assert!(told("1608725689").is_ok(), "five minutes ago");
            assert_eq!(told("1608725688"), Err(CallbackError::Signature), "longer ago");
            assert_eq!(call(&config, &headers(now, "x"), &body), Err(CallbackError::Signature));
        }
        let missing = CallbackError::NotConfigured("/secrets/verification_token");
        assert_eq!(call(&config("s"), &headers(now, TOKEN), &body), Err(missing));
    }

    #[test]
    fn what_is_not_signed_or_too_old_is_refused() {
        let read = sealed(&event("im.message.message_read_v1", json!({})));
        let click = sealed(&event(CLICK, json!({})));
        let seven_hours = "1608700789";
        for (headers, body, expected) in [
            (vec![], &read, false),
            (signed("1608725989", "other"), &read, false),
            (signed("1608725989", &read), &read, true),
            (signed(seven_hours, &read), &read, true),
            (signed("1608700788", &read), &read, false),
            (signed("soon", &read), &read, false),
            (signed("9223372036854775807", &read), &read, false),
            (signed("1608725689", &click), &click, true),
            (signed("1608725688", &click), &click, false),
        ] {
            let answer = call(&keyed(), &headers, body);
            assert_eq!(answer.is_ok(), expected, "{headers:?}: {answer:?}");
            assert!(expected || answer == Err(CallbackError::Signature));
        }
        let plain = event("im.message.message_read_v1", json!({})).to_string();
        assert!(call(&tokened(), &[], &plain).is_ok());
        let wrong = plain.replace(TOKEN, "x");
        assert_eq!(call(&tokened(), &[], &wrong), Err(CallbackError::Signature));
    }

    #[test]
    fn what_is_missing_is_named_and_rubbish_is_no_panic() {
        let key = CallbackError::NotConfigured("/secrets/encrypt_key");
        assert_eq!(call(&config("s"), &[], "{}"), Err(key.clone()));
        assert_eq!(call(&tokened(), &[], &sealed(&json!({}))), Err(key));
        let sealed_text = "{\"encrypt\":\"P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=\"}";
        let answer = call(&keyed(), &signed("1608725989", sealed_text), sealed_text);
        assert!(
            matches!(answer, Err(CallbackError::Malformed(_))),
            "the vector says hello world: {answer:?}"
        );
        for body in ["", "x", "[]", "{", "{\"encrypt\": 1}", "{\"encrypt\": \"\"}", "\u{0}", "null"] {
            for config in [keyed(), tokened()] {
                assert!(call(&config, &[], body).is_err(), "{body}");
                assert!(call(&config, &signed("1608725989", body), body).is_err(), "{body}");
            }
        }
        for odd in [json!({}), json!({"event": 1}), json!({"header": []}), event("x.y_v1", json!(null))] {
            let body = sealed(&odd);
            let answer = call(&keyed(), &signed("1608725989", &body), &body).unwrap();
            let what = if odd["header"]["event_type"].is_string() { "x.y_v1" } else { "event" };
            assert!(matches!(&answer.news[..], [News::Other { what: told, .. }] if told == what), "{odd}");
        }
    }
}
