//! What WeCom tells: who pressed a button, who came to the app.

use std::collections::BTreeMap;

use mc_core::ports::{CallbackAnswer, CallbackError, CallbackRequest, News};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::config::{Config, Keys};
use crate::wxcrypt::is_signed;
use crate::xml::{self, Element};

/// Checks and reads a call.
pub(super) fn read(config: &Config, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError> {
    let keys = config.keys.as_ref().ok_or(CallbackError::NotConfigured("/secrets/token"))?;
    let query: BTreeMap<_, _> = form_urlencoded::parse(request.query.as_bytes()).collect();
    let given = |name: &str| query.get(name).map_or("", |value| &**value);
    if request.method == "GET" {
        // A plus that nobody encoded has become a space, and base64 has none.
        let echo = given("echostr").replace(' ', "+");
        let opened = open(keys, &given, &echo)?;
        let text = String::from_utf8(opened)
            .map_err(|_| CallbackError::Malformed("echostr holds no text".to_owned()))?;
        return Ok(CallbackAnswer::text(text, Vec::new()));
    }
    let outer = parse(request.body)?;
    let opened = open(keys, &given, outer.text_of("Encrypt").unwrap_or_default())?;
    let event = parse(&opened)?;
    let answer = CallbackAnswer::text("", news(&event));
    Ok(CallbackAnswer { then: change(config, &event), ..answer })
}

/// Checks the signature of what is encrypted, and opens it.
fn open<'q>(
    keys: &Keys,
    given: &impl Fn(&str) -> &'q str,
    encrypted: &str,
) -> Result<Vec<u8>, CallbackError> {
    let texts = [keys.token.expose(), given("timestamp"), given("nonce"), encrypted];
    if encrypted.is_empty() || !is_signed(given("msg_signature"), &texts) {
        return Err(CallbackError::Signature);
    }
    keys.crypt.decrypt(encrypted).map_err(|_| {
        let detail = "it cannot be decrypted; compare encoding_aes_key and corp_id with the app's page";
        CallbackError::Malformed(detail.to_owned())
    })
}

fn parse(bytes: &[u8]) -> Result<Element, CallbackError> {
    xml::parse(bytes).map_err(|detail| CallbackError::Malformed(detail.to_owned()))
}

/// What an event says. What people write to the app is theirs, and is not kept.
fn news(event: &Element) -> Vec<News> {
    if text(event, "MsgType") != "event" {
        return Vec::new();
    }
    let user = text(event, "FromUserName");
    match text(event, "Event") {
        "template_card_event" | "template_card_menu_event" => vec![News::Action {
            platform_id: filled(text(event, "TaskId")),
            user: filled(user),
            action: text(event, "EventKey").to_owned(),
            data: json!({
                "card_type": text(event, "CardType"),
                "task_id": text(event, "TaskId"),
                "selected": selected(event),
                "at": text(event, "CreateTime").parse::<i64>().ok(),
            }),
        }],
        "" => Vec::new(),
        what => {
            vec![News::Other {
                what: what.to_owned(),
                data: json!({"user": user, "key": text(event, "EventKey")}),
            }]
        }
    }
}

/// What was chosen in each of a card's questions.
fn selected(event: &Element) -> Value {
    let items = event.child("SelectedItems").map(|items| items.children.as_slice()).unwrap_or_default();
    let questions = items.iter().map(|item| {
        let options = item.child("OptionIds").map(|ids| ids.children.as_slice()).unwrap_or_default();
        let options: Vec<&str> = options.iter().map(|option| option.text.as_str()).collect();
        (text(item, "QuestionKey").to_owned(), json!(options))
    });
    Value::Object(questions.collect())
}

/// The change of the card that a press asks for: its buttons become one that is grey.
fn change(config: &Config, event: &Element) -> Option<Value> {
    let (user, code) = (text(event, "FromUserName"), text(event, "ResponseCode"));
    let pressed = text(event, "Event") == "template_card_event";
    let changes = pressed && !config.pressed_label.is_empty() && !user.is_empty() && !code.is_empty();
    changes.then(|| json!({"user": user, "response_code": code}))
}

fn text<'e>(element: &'e Element, name: &str) -> &'e str {
    element.text_of(name).unwrap_or_default()
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wecom_app::config::tests::{KEY, config};
    use crate::wxcrypt::signature;

    const CORP: &str = "wx5823bf96d3bd56c7";
    const TOKEN: &str = "QDG6eK";

    fn ours() -> Config {
        config(CORP, &[("token", TOKEN), ("encoding_aes_key", KEY)])
    }

    fn call(config: &Config, method: &str, query: &str, body: &str) -> Result<CallbackAnswer, CallbackError> {
        read(config, &CallbackRequest { method, query, headers: &[], body: body.as_bytes() })
    }

    /// A message as WeCom would post it.
    fn sealed(config: &Config, message: &str) -> (String, String) {
        let encrypted = config.keys.as_ref().unwrap().crypt.encrypt(b"0123456789abcdef", message.as_bytes());
        let signed = signature(&[TOKEN, "1409659813", "1372623149", &encrypted]);
        let query = format!("msg_signature={signed}&timestamp=1409659813&nonce=1372623149");
        (
            query,
            format!("<xml><ToUserName>{CORP}</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"),
        )
    }

    fn told(config: &Config, message: &str) -> CallbackAnswer {
        let (query, body) = sealed(config, message);
        let answer = call(config, "POST", &query, &body).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        answer
    }

    /// The example of the official PHP sample, and another whose key has no spare bits.
    #[test]
    fn the_address_is_verified_by_what_is_inside_of_the_echo() {
        let echo = "P9nAzCzyDtyTWESHep1vC5X9xho%2FqYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp%2B4RPcs8TgAE7OaBO%2BFZXvnaqQ%3D%3D";
        let signed = "msg_signature=5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3&timestamp=1409659589&nonce=263014780&echostr=";
        let expected = CallbackAnswer::text("1616140317555161061", Vec::new());
        assert_eq!(call(&ours(), "GET", &format!("{signed}{echo}"), "").unwrap(), expected);
        let bare = echo.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
        assert_eq!(call(&ours(), "GET", &format!("{signed}{bare}"), "").unwrap(), expected, "a bare plus");
        let other = [
            ("token", "kjr2TKI8umCBfVF3wAHk8JiPwma5VBme"),
            ("encoding_aes_key", "4Ma3YBrSBbX2aez8MJpXGBne5LSDwgGqHbhM9WPYIws"),
        ];
        let query = "msg_signature=1ba3cb09c0d2c2b3ed6900d37f91a6efae6cb011&timestamp=1583940690&nonce=VHh7ymSeb0jc4lSb&echostr=6KmUQuPVu7UhjyVqRdbo5SfcRqaHvbUlKSHFvBV2ZuR6TIlKsygcfeSd1GDplg1C5KSKr6UPHCaC%2FnIX3ZNt9w%3D%3D";
        let answer = call(&config("ww6a112864f8022910", &other), "GET", query, "").unwrap();
        assert_eq!(answer.body, "94966531020182955848408");
    }

    /// The example of page 90968.
    #[test]
    fn what_people_write_is_accepted_and_not_kept() {
        let encrypted = "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q==";
        let query =
            "msg_signature=477715d11cdb4164915debcba66cb864d751f3e6&timestamp=1409659813&nonce=1372623149";
        let body = format!(
            "<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><AgentID><![CDATA[218]]></AgentID><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        );
        let answer = call(&ours(), "POST", query, &body).unwrap();
        assert_eq!((answer.status, answer.body.as_str(), answer.news.len()), (200, "", 0));
        let changed = query.replace("1409659813", "1409659814");
        assert_eq!(call(&ours(), "POST", &changed, &body), Err(CallbackError::Signature));
    }

    fn click(event: &str, rest: &str) -> String {
        format!(
            "<xml><ToUserName>{CORP}</ToUserName><FromUserName><![CDATA[zhangsan]]></FromUserName><CreateTime>1796083200</CreateTime>\
             <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{event}]]></Event><EventKey><![CDATA[approve]]></EventKey>\
             <TaskId><![CDATA[01HF7YAT31000000000000001A-0-0]]></TaskId><CardType><![CDATA[button_interaction]]></CardType>\
             <ResponseCode><![CDATA[code-1]]></ResponseCode>{rest}<AgentID>1000002</AgentID></xml>"
        )
    }

    #[test]
    fn a_press_is_an_action_and_changes_the_card() {
        let chosen = "<SelectedItems><SelectedItem><QuestionKey>q</QuestionKey><OptionIds><OptionId>1</OptionId>\
                      <OptionId>2</OptionId></OptionIds></SelectedItem></SelectedItems>";
        let answer = told(&ours(), &click("template_card_event", chosen));
        assert_eq!(answer.then, Some(json!({"user": "zhangsan", "response_code": "code-1"})));
        let expected = News::Action {
            platform_id: Some("01HF7YAT31000000000000001A-0-0".to_owned()),
            user: Some("zhangsan".to_owned()),
            action: "approve".to_owned(),
            data: json!({
                "card_type": "button_interaction",
                "task_id": "01HF7YAT31000000000000001A-0-0",
                "selected": {"q": ["1", "2"]},
                "at": 1_796_083_200,
            }),
        };
        assert_eq!(answer.news, [expected]);
        let menu = told(&ours(), &click("template_card_menu_event", ""));
        assert!(matches!(&menu.news[..], [News::Action { .. }]) && menu.then.is_none(), "{menu:?}");
        let stays = Config { pressed_label: String::new(), ..ours() };
        assert_eq!(told(&stays, &click("template_card_event", "")).then, None);
    }

    #[test]
    fn other_events_are_noted() {
        let event = "<xml><FromUserName>zhangsan</FromUserName><MsgType>event</MsgType><Event>enter_agent</Event><EventKey></EventKey></xml>";
        let answer = told(&ours(), event);
        let expected =
            News::Other { what: "enter_agent".to_owned(), data: json!({"user": "zhangsan", "key": ""}) };
        assert_eq!((answer.news, answer.then), (vec![expected], None));
        for silent in ["<xml/>", "<xml><MsgType>event</MsgType></xml>", "<xml><MsgType>image</MsgType></xml>"]
        {
            assert_eq!(told(&ours(), silent).news, [], "{silent}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let (query, body) = sealed(&ours(), &click("template_card_event", ""));
        let none = config(CORP, &[]);
        assert_eq!(call(&none, "POST", &query, &body), Err(CallbackError::NotConfigured("/secrets/token")));
        for (query, body) in [
            ("", body.as_str()),
            ("msg_signature=&timestamp=&nonce=", &body),
            (&query, "<xml><Encrypt>AAAA</Encrypt></xml>"),
            (&query, "<xml></xml>"),
        ] {
            assert_eq!(call(&ours(), "POST", query, body), Err(CallbackError::Signature), "{query} {body}");
        }
        assert_eq!(call(&ours(), "GET", &query, ""), Err(CallbackError::Signature), "no echo");
        for malformed in ["", "{}", "<xml>", "<!DOCTYPE x><xml/>", "\u{0}"] {
            let refused = call(&ours(), "POST", &query, malformed);
            assert!(matches!(refused, Err(CallbackError::Malformed(_))), "{malformed}: {refused:?}");
        }
        // Signed with our token, for another corporation.
        let other = config("wwanother", &[("token", TOKEN), ("encoding_aes_key", KEY)]);
        let (query, body) = sealed(&other, "<xml/>");
        assert!(matches!(call(&ours(), "POST", &query, &body), Err(CallbackError::Malformed(_))));
    }
}
