//! What WeChat tells: checking its calls and reading its events.

use std::collections::BTreeMap;

use mc_content::FieldError;
use mc_core::ports::{CallbackAnswer, CallbackError, CallbackRequest, News};
use mc_core::state::State;
use mc_core::{Secret, Timestamp};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::fields::secret;
use crate::wxcrypt::{WxCrypt, is_signed};
use crate::xml;

/// What callbacks are signed and encrypted with.
pub(crate) struct Keys {
    token: Option<Secret>,
    /// The current key, and those before it: WeChat goes on with the old one for a while.
    crypts: Vec<WxCrypt>,
}

/// How the account's callbacks come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Not at all.
    None,
    /// Signed, in the open (明文模式).
    Plain,
    /// Signed and encrypted (安全模式).
    Secure,
}

impl Keys {
    /// Reads the secrets `token` and `encoding_aes_key`.
    pub(super) fn read(
        secrets: &BTreeMap<String, Secret>,
        app_id: &str,
        problems: &mut Vec<FieldError>,
    ) -> Self {
        let token = secret(secrets, "token").cloned();
        let mut crypts = Vec::new();
        if let Some(given) = secret(secrets, "encoding_aes_key") {
            const AT: &str = "/secrets/encoding_aes_key";
            if token.is_none() {
                problems.push(FieldError::new(
                    "/secrets/token",
                    "is required with encoding_aes_key: the Token of the account's page",
                ));
            }
            let list = if given.expose().starts_with('[') {
                serde_json::from_str::<Vec<Secret>>(given.expose()).unwrap_or_default()
            } else {
                vec![given.clone()]
            };
            crypts = list.iter().filter_map(|key| WxCrypt::new(key, app_id)).collect();
            if crypts.is_empty() || crypts.len() < list.len() {
                problems.push(FieldError::new(
                    AT,
                    "is the EncodingAESKey of the account's page: 43 letters and digits, or a list of the current and the previous one",
                ));
            }
        }
        Self { token, crypts }
    }

    pub(super) fn mode(&self) -> Mode {
        match (&self.token, self.crypts.is_empty()) {
            (None, _) => Mode::None,
            (Some(_), true) => Mode::Plain,
            (Some(_), false) => Mode::Secure,
        }
    }

    /// Checks and reads a call.
    pub(crate) fn callback(&self, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError> {
        let token = self.token.as_ref().ok_or(CallbackError::NotConfigured("/secrets/token"))?;
        let query: BTreeMap<_, _> = form_urlencoded::parse(request.query.as_bytes()).collect();
        let given = |name: &str| query.get(name).map_or("", |value| &**value);
        let (timestamp, nonce) = (given("timestamp"), given("nonce"));
        if !is_signed(given("signature"), &[token.expose(), timestamp, nonce]) {
            return Err(CallbackError::Signature);
        }
        if request.method == "GET" {
            // It is not encrypted in any mode.
            return match given("echostr") {
                "" => Err(CallbackError::Malformed("echostr is missing".to_owned())),
                echo => Ok(CallbackAnswer::text(echo, Vec::new())),
            };
        }
        let outer = read(request.body)?;
        let message = match (outer.get("Encrypt").and_then(Value::as_str), self.crypts.is_empty()) {
            (Some(_), true) => return Err(CallbackError::NotConfigured("/secrets/encoding_aes_key")),
            (Some(encrypted), false) => {
                if !is_signed(given("msg_signature"), &[token.expose(), timestamp, nonce, encrypted]) {
                    return Err(CallbackError::Signature);
                }
                let opened = self.crypts.iter().find_map(|crypt| crypt.decrypt(encrypted).ok());
                let opened = opened.ok_or_else(|| {
                    let detail =
                        "it cannot be decrypted; compare encoding_aes_key and app_id with the account's page";
                    CallbackError::Malformed(detail.to_owned())
                })?;
                read(&opened)?
            }
            // The signature does not cover a body in the open, so a channel with a key takes none.
            (None, false) => {
                let detail = "it is not encrypted and the channel has an encoding_aes_key; choose 安全模式 on the account's page";
                return Err(CallbackError::Malformed(detail.to_owned()));
            }
            (None, true) => outer,
        };
        Ok(CallbackAnswer::text("success", news(&message)))
    }
}

/// A body in XML or in JSON.
fn read(body: &[u8]) -> Result<Value, CallbackError> {
    let malformed = || CallbackError::Malformed("the body is neither XML nor a JSON object".to_owned());
    let is_json = body.trim_ascii_start().first() == Some(&b'{');
    let value = if is_json {
        serde_json::from_slice(body).ok()
    } else {
        Some(xml::parse(body).map_err(|detail| CallbackError::Malformed(detail.to_owned()))?.json())
    };
    value.filter(Value::is_object).ok_or_else(malformed)
}

/// What an event tells. What followers write to the account is theirs, and is not kept.
fn news(message: &Value) -> Vec<News> {
    if text(message, "MsgType") != "event" {
        return Vec::new();
    }
    let openid = text(message, "FromUserName");
    let at = text(message, "CreateTime").parse().ok().and_then(|seconds: i64| seconds.checked_mul(1_000));
    let event = Event { openid, at: at.map(Timestamp::from_millis) };
    match text(message, "Event").as_str() {
        "TEMPLATESENDJOBFINISH" => vec![event.finished(message)],
        what @ ("subscribe" | "unsubscribe") => vec![event.other(what, json!({}))],
        what @ ("subscribe_msg_popup_event" | "subscribe_msg_change_event") => {
            let list: Vec<Value> = entries(message)
                .iter()
                .map(|entry| {
                    json!({
                        "template_id": text(entry, "TemplateId"),
                        "status": text(entry, "SubscribeStatusString"),
                    })
                })
                .collect();
            vec![event.other(what, json!({ "list": list }))]
        }
        "subscribe_msg_sent_event" => entries(message).iter().map(|entry| event.sent(entry)).collect(),
        _ => Vec::new(),
    }
}

/// Who and when.
struct Event {
    openid: String,
    at: Option<Timestamp>,
}

impl Event {
    /// What became of a template message.
    fn finished(&self, message: &Value) -> News {
        // The pages write spaces behind the colon in one value and not in the other.
        let status: Vec<String> =
            text(message, "Status").split(':').map(|part| part.trim().to_ascii_lowercase()).collect();
        let (state, code) = match status.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["success"] => (State::Delivered, None),
            ["failed"] => (State::Failed, Some("failed".to_owned())),
            ["failed", why] => (State::Failed, Some(why.replace(' ', "_"))),
            [first, ..] if first.starts_with("failed") => (State::Failed, Some("failed".to_owned())),
            _ => return self.other("TEMPLATESENDJOBFINISH", json!({"status": status.join(": ")})),
        };
        let id = [text(message, "MsgID"), text(message, "MsgId")].into_iter().find(|id| !id.is_empty());
        self.receipt(id, state, code, text(message, "Status"), "TEMPLATESENDJOBFINISH")
    }

    /// What became of a subscribe message. Which codes there are is said nowhere.
    fn sent(&self, entry: &Value) -> News {
        let code = text(entry, "ErrorCode");
        let (state, code) = match code.as_str() {
            "0" => (State::Delivered, None),
            "" => {
                return self.other("subscribe_msg_sent_event", json!({"status": text(entry, "ErrorStatus")}));
            }
            _ => (State::Failed, Some(code)),
        };
        let id = Some(text(entry, "MsgID")).filter(|id| !id.is_empty());
        self.receipt(id, state, code, text(entry, "ErrorStatus"), "subscribe_msg_sent_event")
    }

    fn receipt(
        &self,
        id: Option<String>,
        state: State,
        code: Option<String>,
        words: String,
        what: &str,
    ) -> News {
        let Some(platform_id) = id else { return self.other(what, json!({ "status": words })) };
        let words = Some(words).filter(|_| state == State::Failed);
        News::Receipt { platform_id, to: Some(self.openid.clone()), state, code, text: words, at: self.at }
    }

    fn other(&self, what: &str, mut data: Value) -> News {
        data["openid"] = self.openid.as_str().into();
        News::Other { what: what.to_owned(), data }
    }
}

/// The entries of a subscribe event: in XML in a wrapper of its own, in JSON just `List`; one, or several.
fn entries(message: &Value) -> Vec<Value> {
    let wrappers = ["SubscribeMsgPopupEvent", "SubscribeMsgChangeEvent", "SubscribeMsgSentEvent"];
    let wrapped = wrappers.iter().find_map(|name| message.get(*name)?.get("List"));
    match wrapped.or_else(|| message.get("List")) {
        Some(Value::Array(items)) => items.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// A member as text, whether it was written as a text or as a number.
fn text(object: &Value, name: &str) -> String {
    match object.get(name) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP_ID: &str = "wxba5fad812f8e6fb9";
    /// The page's example: it was signed for no particular body.
    const PLAIN: &str =
        "signature=899cf89e464efb63f54ddac96b0a0a235f53aa78&timestamp=1714037059&nonce=486452656&openid=o9";
    const SECURE: &str = "signature=6c5c811b55cc85e0e1b54100749188c20beb3f5d&timestamp=1714112445&nonce=415670741&openid=o9AgO5Kd5ggOC-bXrbNODIiE3bGY&encrypt_type=aes&msg_signature=046e02f8204d34f8ba5fa3b1db94908f3df2e9b3";
    const ENCRYPTED: &str = "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=";

    fn keys(token: &str, aes_key: &str) -> Keys {
        let mut problems = Vec::new();
        let secrets = [("token", token), ("encoding_aes_key", aes_key)]
            .map(|(name, value)| (name.to_owned(), Secret::new(value)));
        let keys = Keys::read(&BTreeMap::from(secrets), APP_ID, &mut problems);
        assert_eq!(problems, []);
        keys
    }

    fn plain() -> Keys {
        keys("AAAAA", "")
    }

    fn secure() -> Keys {
        keys("AAAAA", &"A".repeat(43))
    }

    fn call(keys: &Keys, method: &str, query: &str, body: &[u8]) -> Result<CallbackAnswer, CallbackError> {
        keys.callback(&CallbackRequest { method, query, headers: &[], body })
    }

    fn told(body: &str) -> Vec<News> {
        let answer = call(&plain(), "POST", PLAIN, body.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "success"));
        answer.news
    }

    #[test]
    fn the_address_is_verified_by_echoing_in_every_mode() {
        let query = "signature=f464b24fc39322e44b38aa78f5edd27bd1441696&timestamp=1714036504&nonce=1514711492&echostr=4375120948345356249";
        for keys in [plain(), secure()] {
            let answer = call(&keys, "GET", query, b"").unwrap();
            assert_eq!(answer, CallbackAnswer::text("4375120948345356249", Vec::new()));
        }
        let unsigned = query.replace("f464", "f465");
        assert_eq!(call(&plain(), "GET", &unsigned, b""), Err(CallbackError::Signature));
        let silent = query.split("&echostr").next().unwrap();
        assert!(matches!(call(&plain(), "GET", silent, b""), Err(CallbackError::Malformed(_))));
    }

    #[test]
    fn what_is_encrypted_is_opened_in_both_forms() {
        let json = json!({"ToUserName": "gh_97417a04a28d", "Encrypt": ENCRYPTED}).to_string();
        let xml = format!("<xml><ToUserName>gh</ToUserName><Encrypt><![CDATA[{ENCRYPTED}]]></Encrypt></xml>");
        for body in [json, xml] {
            let answer = call(&secure(), "POST", SECURE, body.as_bytes()).unwrap();
            assert_eq!(answer, CallbackAnswer::text("success", Vec::new()), "a test event tells nothing");
        }
    }

    #[test]
    fn the_pages_encryption_is_ours() {
        let crypt = WxCrypt::new(&Secret::new("A".repeat(43)), APP_ID).unwrap();
        let opened = crypt.decrypt(ENCRYPTED).unwrap();
        assert_eq!(
            String::from_utf8(opened).unwrap(),
            r#"{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}"#
        );
        let reply =
            "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==";
        assert_eq!(crypt.decrypt(reply).unwrap(), br#"{"demo_resp":"good luck"}"#);
        let texts = ["AAAAA", "1713424427", "415670741", reply];
        assert!(is_signed("1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1", &texts));
        // This key has bits to spare, and its text is not ASCII.
        let key = Secret::new("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG");
        let crypt = WxCrypt::new(&key, "wxb11529c136998cb6").unwrap();
        let text = "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==";
        assert_eq!(crypt.decrypt(text).unwrap(), "我是中文abcd123".as_bytes());
        let texts = ["pamtest", "1409304348", "xxxxxx", text];
        assert!(is_signed("82c962d39941aa48552f90ef55aa323dc620cc10", &texts));
    }

    #[test]
    fn what_is_not_wechats_is_refused() {
        let body = json!({"Encrypt": ENCRYPTED}).to_string();
        let refused =
            |keys: &Keys, query: &str, body: &str| call(keys, "POST", query, body.as_bytes()).unwrap_err();
        for query in [
            SECURE.replace("msg_signature=0", "msg_signature=1"),
            SECURE.replace("?signature=6", "signature=7").replace("signature=6c", "signature=7c"),
            SECURE.replace("&msg_signature", "&other"),
            SECURE.replace("timestamp=1714112445", "timestamp=1714112446"),
            String::new(),
        ] {
            assert_eq!(refused(&secure(), &query, &body), CallbackError::Signature, "{query}");
        }
        let other = json!({"Encrypt": ENCRYPTED.replace('+', "/")}).to_string();
        assert_eq!(refused(&secure(), SECURE, &other), CallbackError::Signature);
        assert_eq!(refused(&keys("BBBBB", ""), PLAIN, "<xml/>"), CallbackError::Signature);
        assert_eq!(refused(&keys("", ""), PLAIN, "<xml/>"), CallbackError::NotConfigured("/secrets/token"));
        assert_eq!(
            refused(&plain(), SECURE, &body),
            CallbackError::NotConfigured("/secrets/encoding_aes_key")
        );
        // The signature does not cover this body, so with a key nobody may send it.
        let open = "<xml><MsgType>event</MsgType></xml>";
        assert!(matches!(refused(&secure(), PLAIN, open), CallbackError::Malformed(_)));
        let another = keys("AAAAA", &"B".repeat(43));
        assert!(matches!(refused(&another, SECURE, &body), CallbackError::Malformed(_)));
    }

    #[test]
    fn after_a_change_of_keys_the_previous_one_still_opens() {
        let both = keys("AAAAA", &format!(r#"["{}", "{}"]"#, "B".repeat(43), "A".repeat(43)));
        let body = json!({"Encrypt": ENCRYPTED}).to_string();
        assert!(call(&both, "POST", SECURE, body.as_bytes()).is_ok());
    }

    fn finished(status: &str) -> News {
        let xml = format!(
            "<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName><FromUserName><![CDATA[oia2TjuEGTNoeX76QEjQNrcURxG8]]></FromUserName><CreateTime>1395658920</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>3148265190541344769</MsgID><Status><![CDATA[{status}]]></Status></xml>"
        );
        told(&xml).remove(0)
    }

    #[test]
    fn the_fate_of_a_template_message() {
        for (status, expected) in [
            ("success", Some((State::Delivered, None))),
            ("failed:user block", Some((State::Failed, Some("user_block")))),
            ("failed: system failed", Some((State::Failed, Some("system_failed")))),
            ("Failed :  new reason", Some((State::Failed, Some("new_reason")))),
            ("failed", Some((State::Failed, Some("failed")))),
            ("failed:a:b", Some((State::Failed, Some("failed")))),
            ("pending", None),
        ] {
            match (finished(status), expected) {
                (News::Receipt { platform_id, to, state, code, text, at }, Some((wanted, why))) => {
                    assert_eq!((state, code.as_deref()), (wanted, why), "{status}");
                    assert_eq!(platform_id, "3148265190541344769");
                    assert_eq!(to.as_deref(), Some("oia2TjuEGTNoeX76QEjQNrcURxG8"));
                    assert_eq!(text.as_deref(), why.map(|_| status));
                    assert_eq!(at, Some(Timestamp::from_millis(1_395_658_920_000)));
                }
                (News::Other { what, data }, None) => {
                    assert_eq!((what.as_str(), &data["status"]), ("TEMPLATESENDJOBFINISH", &json!(status)));
                }
                (news, _) => panic!("{status}: {news:?}"),
            }
        }
    }

    fn event(name: &str, more: &str) -> String {
        format!(
            "<xml><FromUserName>o1</FromUserName><CreateTime>1</CreateTime><MsgType>event</MsgType><Event>{name}</Event>{more}</xml>"
        )
    }

    #[test]
    fn followers_and_their_wishes() {
        for what in ["subscribe", "unsubscribe"] {
            let expected = News::Other { what: what.into(), data: json!({"openid": "o1"}) };
            assert_eq!(told(&event(what, "<EventKey/>")), [expected]);
        }
        let entry = |id: &str| {
            format!(
                "<List><TemplateId>{id}</TemplateId><SubscribeStatusString>reject</SubscribeStatusString></List>"
            )
        };
        let wish = |id: &str| json!({"template_id": id, "status": "reject"});
        for wrapper in ["SubscribeMsgPopupEvent", "SubscribeMsgChangeEvent"] {
            let more = format!("<{wrapper}>{}{}</{wrapper}>", entry("a"), entry("b"));
            let expected = json!({"openid": "o1", "list": [wish("a"), wish("b")]});
            let what = "subscribe_msg_change_event";
            assert_eq!(told(&event(what, &more)), [News::Other { what: what.into(), data: expected }]);
        }
        let one = json!({"FromUserName": "o1", "CreateTime": "1", "MsgType": "event", "Event": "subscribe_msg_popup_event",
            "List": {"TemplateId": "a", "SubscribeStatusString": "reject", "PopupScene": "0"}});
        let expected = json!({"openid": "o1", "list": [wish("a")]});
        let what = "subscribe_msg_popup_event".to_owned();
        assert_eq!(told(&one.to_string()), [News::Other { what, data: expected }]);
    }

    #[test]
    fn the_fate_of_a_subscribe_message() {
        let body = json!({"FromUserName": "o1", "CreateTime": 1_620_973_045, "MsgType": "event",
        "Event": "subscribe_msg_sent_event", "List": [
            {"TemplateId": "t", "MsgID": "1864323726461255680", "ErrorCode": "0", "ErrorStatus": "success"},
            {"TemplateId": "t", "MsgID": 1_864_323_726_461_255_681_u64, "ErrorCode": 2, "ErrorStatus": "rejected"},
            {"TemplateId": "t", "ErrorCode": 0},
            {"TemplateId": "t"},
        ]});
        let news = told(&body.to_string());
        let states: Vec<_> = news
            .iter()
            .map(|news| match news {
                News::Receipt { platform_id, state, code, .. } => {
                    (platform_id.as_str(), Some(*state), code.as_deref())
                }
                News::Other { what, .. } => (what.as_str(), None, None),
                other => panic!("{other:?}"),
            })
            .collect();
        let what = "subscribe_msg_sent_event";
        let expected = [
            ("1864323726461255680", Some(State::Delivered), None),
            ("1864323726461255681", Some(State::Failed), Some("2")),
            (what, None, None),
            (what, None, None),
        ];
        assert_eq!(states, expected);
    }

    #[test]
    fn what_followers_write_is_not_told() {
        let text =
            "<xml><FromUserName>o1</FromUserName><MsgType>text</MsgType><Content>my secret</Content></xml>";
        assert_eq!(told(text), []);
        assert_eq!(told(&event("CLICK", "<EventKey>menu</EventKey>")), []);
    }

    #[test]
    fn hostile_bodies_are_refused_and_never_panic() {
        for body in [
            "",
            "text",
            "[]",
            "5",
            "null",
            "\"text\"",
            "{",
            "<xml>",
            "<a></b>",
            "\u{0}",
            "<xml>text</xml>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><xml><MsgType>&a;</MsgType></xml>",
        ] {
            let refused = call(&plain(), "POST", PLAIN, body.as_bytes());
            assert!(matches!(refused, Err(CallbackError::Malformed(_))), "{body}: {refused:?}");
        }
        assert!(call(&plain(), "POST", PLAIN, b"<xml>\xff</xml>").is_err());
        assert!(call(&plain(), "POST", PLAIN, "[".repeat(100_000).as_bytes()).is_err());
        assert!(
            call(&plain(), "POST", PLAIN, &[b"{\"a\":".repeat(100_000), b"1".to_vec()].concat()).is_err()
        );
        let names = ["TEMPLATESENDJOBFINISH", "subscribe_msg_sent_event", "subscribe_msg_popup_event"];
        let values = [
            json!(null),
            json!([]),
            json!({}),
            json!([[]]),
            json!(-1),
            json!(1e300),
            json!({"List": 5}),
            json!([5]),
        ];
        for name in names {
            for value in &values {
                let body = json!({"MsgType": "event", "Event": name, "FromUserName": value, "CreateTime": value,
                    "MsgID": value, "Status": value, "List": value, "SubscribeMsgSentEvent": value});
                told(&body.to_string());
            }
            let far = json!({"MsgType": "event", "Event": name, "CreateTime": i64::MAX, "MsgID": 1, "Status": "success"});
            told(&far.to_string());
        }
    }
}
