//! The page behind a mail's `List-Unsubscribe`: one button for people, one call for mail programs (RFC 8058).
//!
//! `GET` changes nothing, because scanners of mail systems follow every link. People see what is answered, so a link that
//! is not whole has its page too.

use axum::response::Response;
use http::StatusCode;
use mc_pipeline::suppress;
use serde_json::json;

use crate::answer::{Answer, bytes_of};
use crate::call::Call;

const HTML: &str = "text/html; charset=utf-8";

/// What the page says, in the two languages of the console.
struct Words {
    title: &'static str,
    text: &'static str,
    button: Option<&'static str>,
}

const ASK: [Words; 2] = [
    Words {
        title: "退订邮件", text: "点击按钮后，您将不再收到此类邮件。", button: Some("确认退订")
    },
    Words {
        title: "Unsubscribe",
        text: "After one click you will not get these mails any more.",
        button: Some("Unsubscribe"),
    },
];

const DONE: [Words; 2] = [
    Words { title: "已退订", text: "您将不再收到此类邮件。", button: None },
    Words { title: "Done", text: "You will not get these mails any more.", button: None },
];

const DAMAGED: [Words; 2] = [
    Words {
        title: "链接无效",
        text: "这个退订链接不完整，或者已经失效。请从邮件中重新打开它，或者联系发件人。",
        button: None,
    },
    Words {
        title: "This link does not work",
        text: "It is incomplete or no longer valid. Please open it from the mail again, or ask the sender.",
        button: None,
    },
];

/// Ask whether to unsubscribe
///
/// A small page with one button, for the person who followed the link in a mail. Other parameters are passed over.
#[utoipa::path(
    get, path = "/v1/unsubscribe", tag = "suppressions", operation_id = "ask_to_unsubscribe",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "A page that says that the link is not whole", body = String,
            content_type = "text/html"),
    )
)]
pub async fn ask(call: Call) -> Answer {
    Ok(link(&call).map_or_else(damaged, |_| shown(StatusCode::OK, &ASK)))
}

/// Unsubscribe
///
/// What the page's button does, and what mail programs call by themselves. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/unsubscribe", tag = "suppressions", operation_id = "unsubscribe",
    responses(
        (status = 200, description = "A page that says so", body = String, content_type = "text/html"),
        (status = 404, description = "A page that says that the link is not whole", body = String,
            content_type = "text/html"),
    )
)]
pub async fn carry_out(call: Call) -> Answer {
    let Some((project, address)) = link(&call) else { return Ok(damaged()) };
    suppress::unsubscribe(call.center(), &project, &address).await?;
    let entry = call.entry("address.unsubscribed", json!({"address": address}));
    call.note(&project, entry).await;
    Ok(shown(StatusCode::OK, &DONE))
}

fn link(call: &Call) -> Option<(String, String)> {
    suppress::read_link(call.center(), call.query.get("t")?)
}

fn damaged() -> Response {
    shown(StatusCode::NOT_FOUND, &DAMAGED)
}

fn shown(status: StatusCode, words: &[Words; 2]) -> Response {
    bytes_of(status, HTML, page(words))
}

fn page(words: &[Words; 2]) -> String {
    let sections: String = ["zh-CN", "en"]
        .iter()
        .zip(words)
        .map(|(language, words)| {
            let button = words.button.map(|b| format!("<button>{b}</button>")).unwrap_or_default();
            format!(
                "<section lang=\"{language}\"><h1>{}</h1><p>{}</p>{button}</section>",
                words.title, words.text
            )
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{} · {}</title><style>{STYLE}</style></head>\
         <body><main><form method=\"post\">{sections}</form></main></body></html>",
        words[0].title, words[1].title
    )
}

const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;margin:0;display:grid;place-items:center;min-height:100vh}\
    main{max-width:26rem;padding:2rem}section+section{margin-top:2rem;border-top:1px solid #8884;padding-top:2rem}\
    h1{font-size:1.4rem;margin:0}p{margin:.5rem 0 1rem}\
    button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:.5rem;background:#1d4ed8;color:#fff;cursor:pointer}\
    button:focus-visible{outline:3px solid #93c5fd;outline-offset:2px}";
