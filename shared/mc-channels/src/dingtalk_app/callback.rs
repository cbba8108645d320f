//! What DingTalk tells: encrypted JSON, which wants an encrypted answer.

use std::collections::BTreeMap;

use mc_core::Timestamp;
use mc_core::ports::{CallbackAnswer, CallbackError, CallbackRequest, News, Random};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::config::Config;
use crate::wxcrypt::{is_signed, signature};

/// What every call is answered; in the open it would count as a failure.
const SUCCESS: &[u8] = b"success";

/// Checks and reads a call.
pub(super) fn read(
    config: &Config,
    now: Timestamp,
    random: &dyn Random,
    request: &CallbackRequest<'_>,
) -> Result<CallbackAnswer, CallbackError> {
    let token = config.token.as_ref().ok_or(CallbackError::NotConfigured("/secrets/token"))?;
    if config.crypts.is_empty() {
        return Err(CallbackError::NotConfigured("/secrets/aes_key"));
    }
    let query: BTreeMap<_, _> = form_urlencoded::parse(request.query.as_bytes()).collect();
    // Older subscriptions spell two of the three in their own way.
    let given = |names: [&str; 2]| names.iter().find_map(|name| query.get(*name)).map_or("", |text| &**text);
    let (signed, time) = (given(["signature", "msg_signature"]), given(["timestamp", "timeStamp"]));
    let outer: Value = serde_json::from_slice(request.body).unwrap_or_default();
    let sealed = outer.get("encrypt").and_then(Value::as_str).ok_or(CallbackError::Signature)?;
    if !is_signed(signed, &[token.expose(), time, given(["nonce", "nonce"]), sealed]) {
        return Err(CallbackError::Signature);
    }
    let opened = config.crypts.iter().find_map(|crypt| Some((crypt, crypt.decrypt(sealed).ok()?)));
    let (crypt, message) = opened.ok_or_else(|| {
        let detail =
            "it cannot be decrypted; compare aes_key, app_key and corp_id with the app's page 事件订阅";
        CallbackError::Malformed(detail.to_owned())
    })?;
    let message: Value = serde_json::from_slice(&message).unwrap_or_default();
    if !message.is_object() {
        return Err(CallbackError::Malformed("what is encrypted is no JSON object".to_owned()));
    }
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    let sealed = crypt.encrypt(&bytes, SUCCESS);
    random.fill(&mut bytes);
    let nonce: String = bytes[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let time = now.millis().to_string();
    let signed = signature(&[token.expose(), &time, &nonce, &sealed]);
    let answer = json!({"msg_signature": signed, "timeStamp": time, "nonce": nonce, "encrypt": sealed});
    Ok(CallbackAnswer::json(&answer, news(&message)))
}

/// What an event says. No event is about a work notification; what else there is may hold names and numbers of people,
/// and is not told.
fn news(message: &Value) -> Vec<News> {
    let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("EventType") {
        // The address was saved or is tried.
        "check_url" | "check_create_suite_url" | "check_update_suite_url" => Vec::new(),
        event => {
            let what = if event.is_empty() { "event" } else { event };
            vec![News::Other { what: what.to_owned(), data: json!({"event_id": text("eventId")}) }]
        }
    }
}

#[cfg(test)]
mod tests {
    use mc_core::Secret;
    use mc_testkit::SeqRandom;

    use super::*;
    use crate::dingtalk_app::config::tests::config;
    use crate::wxcrypt::WxCrypt;

    /// One of the public examples.
    struct Vector {
        token: &'static str,
        aes_key: &'static str,
        id: &'static str,
        time: &'static str,
        nonce: &'static str,
        signature: &'static str,
        message: &'static str,
        sealed: &'static str,
    }

    const VECTORS: [Vector; 3] = [
        Vector {
            token: "123456",
            aes_key: "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij",
            id: "suite4xxxxxxxxxxxxxxx",
            time: "1445827045067",
            nonce: "nEXhMP4r",
            signature: "5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0",
            message: r#"{"EventType":"check_create_suite_url","Random":"LPIdSnlF","TestSuiteKey":"suite4xxxxxxxxxxxxxxx"}"#,
            sealed: "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRWVdUBmfxjZ8Ej23JVYa9VrYeJ5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgnNOS9PhSBdHlegK+AGGanfwjXuQ9+0pZcy0w9lQ==",
        },
        Vector {
            token: "mryue",
            aes_key: "Yue0EfdN5900c1ce5cf6A152c63DDe1808a60c5ecd7",
            id: "ding6ccabc44d2c8d38b",
            time: "1608001896814",
            nonce: "WL4PK6yA",
            signature: "03044561471240d4a14bb09372dfcfd4fd0e40cb",
            message: r#"{"EventType":"check_url"}"#,
            sealed: "0vJiX6vliEpwG3U45CtXqi+m8PXbQRARJ8p8BbDuD1EMTDf0jKpQ79QS93qEk7XHpP6u+oTTrd15NRPvNvmBKyDCYxxOK+HZeKju4yhELOFchzNukR+t8SB/qk4ROMu3",
        },
        Vector {
            token: "123456",
            aes_key: "1234567890123456789012345678901234567890123",
            id: "dingsnotzck6pm5veliw",
            time: "1614767836",
            nonce: "A7Co0cJLMzIDtMMI",
            signature: "9a95a004dd16f5c307e849b994173f76aa26e5eb",
            message: "success",
            sealed: "YvkvaGe4hQxd3VxRmEty0dVlnCOAqwf56xwTRHDHoOURqhalbmBJQk5FNcRk42Gl5T0YQXZNwpwWSm1xAFJ5ZA==",
        },
    ];

    impl Vector {
        fn crypt(&self) -> WxCrypt {
            WxCrypt::new(&Secret::new(self.aes_key), self.id).unwrap()
        }

        /// The app of the example; its id is the CorpId if `by_call`.
        fn config(&self, by_call: bool) -> Config {
            let settings = match by_call {
                true => json!({"app_key": "dinganother", "agent_id": 7, "corp_id": self.id}),
                false => json!({"app_key": self.id, "agent_id": 7}),
            };
            let secrets = [("app_secret", "s"), ("token", self.token), ("aes_key", self.aes_key)];
            config(settings, &secrets)
        }

        fn query(&self, signature: &str, time: &str) -> String {
            format!("{signature}={}&{time}={}&nonce={}", self.signature, self.time, self.nonce)
        }

        fn body(&self) -> String {
            json!({"encrypt": self.sealed}).to_string()
        }
    }

    fn call(config: &Config, query: &str, body: &str) -> Result<CallbackAnswer, CallbackError> {
        let request = CallbackRequest { method: "POST", query, headers: &[], body: body.as_bytes() };
        read(config, Timestamp::from_millis(1_700_000_000_000), &SeqRandom::default(), &request)
    }

    #[test]
    fn the_vectors_are_signed_and_open() {
        for vector in &VECTORS {
            let texts = [vector.token, vector.time, vector.nonce, vector.sealed];
            assert_eq!(signature(&texts), vector.signature);
            assert_eq!(vector.crypt().decrypt(vector.sealed).unwrap(), vector.message.as_bytes());
        }
    }

    #[test]
    fn a_call_is_answered_with_success_encrypted_and_signed() {
        for vector in &VECTORS[..2] {
            for (by_call, query) in [
                (false, vector.query("signature", "timestamp")),
                (false, vector.query("msg_signature", "timeStamp")),
                (true, vector.query("signature", "timestamp")),
            ] {
                let answer = call(&vector.config(by_call), &query, &vector.body()).unwrap();
                assert_eq!((answer.status, answer.news.len()), (200, 0), "{query}");
                let answer: Value = serde_json::from_str(&answer.body).unwrap();
                let text = |name: &str| answer[name].as_str().unwrap();
                assert_eq!(vector.crypt().decrypt(text("encrypt")).unwrap(), b"success");
                let texts = [vector.token, text("timeStamp"), text("nonce"), text("encrypt")];
                assert!(is_signed(text("msg_signature"), &texts));
            }
        }
    }

    #[test]
    fn other_events_are_noted_without_what_they_hold() {
        let vector = &VECTORS[1];
        let event = json!({"EventType": "user_modify_org", "eventId": "e1", "UserId": ["zhangsan"]});
        let sealed = vector.crypt().encrypt(&[7; 16], event.to_string().as_bytes());
        let signed = signature(&[vector.token, "1", "n", &sealed]);
        let query = format!("signature={signed}&timestamp=1&nonce=n");
        let body = json!({"encrypt": sealed}).to_string();
        let answer = call(&vector.config(false), &query, &body).unwrap();
        let expected = News::Other { what: "user_modify_org".into(), data: json!({"event_id": "e1"}) };
        assert_eq!(answer.news, [expected]);
    }

    #[test]
    fn what_is_not_signed_is_refused_and_rubbish_is_no_panic() {
        let vector = &VECTORS[1];
        let (config, query) = (vector.config(false), vector.query("signature", "timestamp"));
        for bad in
            ["", "signature=", &query.replace("0304", "1304"), &query.replace("WL4P", "wl4p"), "%FF=%FE&&="]
        {
            assert_eq!(call(&config, bad, &vector.body()), Err(CallbackError::Signature), "{bad}");
        }
        for body in ["", "x", "[]", "{", "{\"encrypt\": 1}", "{\"encrypt\": \"\"}", "\u{0}", "null"] {
            assert_eq!(call(&config, &query, body), Err(CallbackError::Signature), "{body}");
        }
        // Signed, and sealed for somebody else or not at all.
        for sealed in ["", "AAAA", "你好", VECTORS[0].sealed] {
            let signed = signature(&[vector.token, "1", "n", sealed]);
            let body = json!({"encrypt": sealed}).to_string();
            let answer = call(&config, &format!("signature={signed}&timestamp=1&nonce=n"), &body);
            assert!(matches!(answer, Err(CallbackError::Malformed(_))), "{sealed}: {answer:?}");
        }
        for cut in 0..vector.sealed.len() {
            let sealed = &vector.sealed[..cut];
            let signed = signature(&[vector.token, "1", "n", sealed]);
            let body = json!({"encrypt": sealed}).to_string();
            assert!(call(&config, &format!("signature={signed}&timestamp=1&nonce=n"), &body).is_err());
        }
    }

    #[test]
    fn what_is_signed_and_encrypted_and_no_event_is_refused() {
        let vector = &VECTORS[1];
        for text in ["success", "[]", "null", "{"] {
            let sealed = vector.crypt().encrypt(&[7; 16], text.as_bytes());
            let signed = signature(&[vector.token, "1", "n", &sealed]);
            let body = json!({"encrypt": sealed}).to_string();
            let answer =
                call(&vector.config(false), &format!("signature={signed}&timestamp=1&nonce=n"), &body);
            let expected = CallbackError::Malformed("what is encrypted is no JSON object".into());
            assert_eq!(answer, Err(expected), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let settings = || json!({"app_key": "ding1", "agent_id": 7});
        let without_token = config(settings(), &[("app_secret", "s"), ("aes_key", VECTORS[1].aes_key)]);
        let missing = CallbackError::NotConfigured("/secrets/token");
        assert_eq!(call(&without_token, "", "{}"), Err(missing));
        let without_key = config(settings(), &[("app_secret", "s"), ("token", "t")]);
        let missing = CallbackError::NotConfigured("/secrets/aes_key");
        assert_eq!(call(&without_key, "", "{}"), Err(missing));
    }
}
