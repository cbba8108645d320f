//! Rich text (`post`): a title and lines of texts, links and mentions.

use mc_content::dialect;
use serde_json::{Value, json};
use url::Url;

use super::text::{Mention, literal};

/// A rich text of plain lines, in which bare addresses become links.
///
/// A mention is an element of its own here. Whether marks in a text are read too is nowhere said, so there are none.
pub(super) fn post(title: &str, text: &str, mentions: &[Mention]) -> Value {
    let mut lines: Vec<Value> = text.split('\n').map(|line| Value::Array(nodes(line))).collect();
    if !mentions.is_empty() {
        lines.push(mentions.iter().map(|m| json!({"tag": "at", "user_id": m.id()})).collect());
    }
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    json!({"zh_cn": {"title": literal(title.trim()), "content": lines}})
}

fn nodes(line: &str) -> Vec<Value> {
    let text = |text: &str| json!({"tag": "text", "text": literal(text)});
    let mut nodes = Vec::new();
    let mut rest = line;
    let mut from = 0;
    while let Some(at) = rest[from..].find("http").map(|at| from + at) {
        let Some(length) =
            address(&rest[at..]).filter(|_| !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric()))
        else {
            from = at + "http".len();
            continue;
        };
        if at > 0 {
            nodes.push(text(&rest[..at]));
        }
        let (url, after) = rest[at..].split_at(length);
        nodes.push(json!({"tag": "a", "text": url, "href": dialect::safe_url(url).unwrap_or_default()}));
        (rest, from) = (after, 0);
    }
    if !rest.is_empty() || nodes.is_empty() {
        // An empty line is a line.
        nodes.push(text(if rest.is_empty() { " " } else { rest }));
    }
    nodes
}

/// The length of the address that a text begins with. Feishu refuses a whole message for one link that is none.
fn address(text: &str) -> Option<usize> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| text.starts_with(scheme))?;
    let end = text.find(|c: char| !c.is_ascii_graphic() || "<>\"'`".contains(c)).unwrap_or(text.len());
    let url = text[..end].trim_end_matches(|c: char| ".,;:!?)]}*".contains(c));
    let is_address = url.len() > scheme.len() && Url::parse(url).is_ok() && dialect::safe_url(url).is_some();
    is_address.then_some(url.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_addresses_become_links_and_nothing_is_lost() {
        let link = |url: &str| json!({"tag": "a", "text": url, "href": url});
        let text = |text: &str| json!({"tag": "text", "text": text});
        for (line, expected) in [
            ("a", vec![text("a")]),
            ("", vec![text(" ")]),
            ("https://x.example/a?b=c", vec![link("https://x.example/a?b=c")]),
            ("看https://x.example。", vec![text("看"), link("https://x.example"), text("。")]),
            ("(http://x.example).", vec![text("("), link("http://x.example"), text(").")]),
            ("xhttp://x.example https://", vec![text("xhttp://x.example https://")]),
            ("https://[ http", vec![text("https://[ http")]),
            ("<at id=all></at>", vec![text("<\u{200B}at id=all><\u{200B}/at>")]),
        ] {
            assert_eq!(nodes(line), expected, "{line}");
        }
    }
}
