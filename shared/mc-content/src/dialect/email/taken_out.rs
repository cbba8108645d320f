//! What of an author's HTML mail programs take out.

use mc_core::ports::Warning;

use super::super::html_text::decode;
use super::super::notes::Notes;
use super::super::tags::{Piece, Tag, pieces};

/// Elements whose content a browser does not read as HTML.
const RAW: [&str; 8] = ["script", "style", "title", "textarea", "iframe", "xmp", "noembed", "noframes"];
/// Attributes that lead somewhere.
const ADDRESSES: [&str; 7] = ["href", "src", "action", "formaction", "background", "data", "xlink:href"];

/// Notes what most mail programs take out of HTML, or only some of them believe, with the first line of each.
pub fn taken_out(html: &str, warnings: &mut Vec<Warning>) {
    let mut notes = Notes::default();
    let mut at = 0;
    for piece in pieces(html, &RAW) {
        if let Piece::Tag(tag) = piece
            && !tag.closes()
        {
            of_element(&tag.name(), at, &mut notes);
            of_attributes(tag, at, &mut notes);
        }
        at += piece.source().len();
    }
    notes.finish(html, warnings);
}

fn of_element(name: &str, at: usize, notes: &mut Notes) {
    match name {
        "style" => {
            let detail = "a style element; some mail readers only believe styles on the elements";
            notes.add("style_element", detail, at);
        }
        "script" => {
            let detail = "a script; mail programs take scripts out and run none";
            notes.add("script_element", detail, at);
        }
        "form" | "input" | "button" | "select" | "textarea" => {
            let detail = "a form or a field; mail programs take forms out or warn of them, so link to a page";
            notes.add("form_element", detail, at);
        }
        "iframe" | "frame" | "object" | "embed" | "applet" => {
            let detail = "something embedded (iframe, object, embed); mail programs take it out";
            notes.add("embedded_element", detail, at);
        }
        _ => {}
    }
}

fn of_attributes(tag: Tag<'_>, at: usize, notes: &mut Notes) {
    for attribute in tag.attributes() {
        let place = at + attribute.value.start;
        if attribute.name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("on")) {
            let detail = "an attribute that runs a script (on…); mail programs take it out";
            notes.add("event_attribute", detail, place);
        } else if ADDRESSES.iter().any(|name| attribute.is(name))
            && is_script(&tag.source()[attribute.value.clone()])
        {
            let detail = "an address that runs a script (javascript:); mail programs take it out";
            notes.add("script_address", detail, place);
        }
    }
}

/// Whether an address runs something, read as browsers read it: without spaces and control characters at its beginning, and
/// without line ends and tabs anywhere.
fn is_script(address: &str) -> bool {
    let address = decode(address);
    let scheme = address.chars().filter(|c| !c.is_whitespace() && !c.is_control()).take_while(|c| *c != ':');
    let scheme: String = scheme.take("javascript:".len()).collect();
    ["javascript", "vbscript"].iter().any(|script| script.eq_ignore_ascii_case(&scheme))
        && address.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes and places of what is told of HTML.
    fn told(html: &str) -> Vec<(String, Option<String>)> {
        let mut warnings = Vec::new();
        taken_out(html, &mut warnings);
        warnings.into_iter().map(|warning| (warning.code.to_string(), warning.at)).collect()
    }

    #[test]
    fn what_mail_programs_take_out_is_told_with_its_line() {
        for (html, code, line) in [
            ("<p>\n<SCRIPT>x</SCRIPT>", "script_element", 2),
            ("<style>p{}</style>", "style_element", 1),
            ("<head>\n<style>p{}</style></head>", "style_element", 2),
            ("\n\n<form action=https://x.example>", "form_element", 3),
            ("<p><input></p>", "form_element", 1),
            ("<iframe src=x></iframe>", "embedded_element", 1),
            ("<p>\n<object data=x></object>", "embedded_element", 2),
            ("<embed src=x>", "embedded_element", 1),
            ("<p\n ONCLICK=\"x\">", "event_attribute", 2),
            ("<a href='javascript:x'>a</a>", "script_address", 1),
            ("<a href=\" java\tscript&colon;x\">a</a>", "script_address", 1),
            ("<img src=VBScript:x>", "script_address", 1),
        ] {
            assert_eq!(told(html), [(code.to_owned(), Some(format!("line {line}")))], "{html}");
        }
    }

    #[test]
    fn each_is_told_once_and_nothing_is_told_of_what_stays() {
        let html = "<script>1</script>\n<p onclick=x onload=y>a</p><script>2</script>";
        let codes: Vec<_> = told(html).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, ["script_element", "event_attribute"]);
        for html in [
            "<p style=\"margin:0\" title=\"javascript:\">on <b>a</b></p>",
            "<a href=\"https://x.example/javascript:\">a</a>",
            "<!-- <script>x</script> <p onclick=x> -->",
            "<title><script></title>",
            "&lt;script&gt;",
            "<a href=javascript>a</a>",
        ] {
            assert!(told(html).is_empty(), "{html}");
        }
    }
}
