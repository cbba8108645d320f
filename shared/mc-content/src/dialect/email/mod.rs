//! A mail: the HTML document, and the plain text beside it.

mod direction;
mod extras;
mod footer;
mod fragment;
mod style;
mod taken_out;

use mc_core::model::{Content, Format};

use super::ast::{Block, plain};
use super::html::{self, escape};
use super::link::safe_url;
use super::{content, html_text, parse, text};

use direction::Direction;
pub use footer::add_unsubscribe;
pub use taken_out::taken_out;

/// What lists of mails show beside the subject.
const PREHEADER_CHARACTERS: usize = 120;

/// A mail's two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// A whole HTML document.
    pub html: String,
    /// The same as plain text.
    pub text: String,
}

/// Writes a content as a mail.
///
/// The HTML is one column that fits a phone and a wide screen, light and dark. What readers only believe where it
/// stands is written on each block; only the dark scheme and the phone's margins are rules in the head. The level is a
/// bar of colour; then come title, picture, body, facts, buttons and the link. What is too wide wraps, or scrolls inside
/// of its own box.
///
/// An HTML body that already is a document keeps its own frame; what else the content has goes before its end. A part of a
/// page looks like Markdown where its author did not say otherwise, unless it brings rules of its own. An HTML body with
/// colours of its own is shown on white, in the dark too: nobody can know whether they could be read on black.
///
/// A mail whose first letter is of a script that is read from the right, such as Arabic or Hebrew, is laid out from the
/// right. In an HTML body that is true of our frame and of what its author left open.
pub fn email(content: &Content) -> Email {
    let title = content.title.trim();
    let body = match content.body.format {
        Format::Text => Body {
            html: html::paragraphs(&content.body.text, style::of),
            text: content.body.text.clone(),
            has_title: false,
            direction: Direction::of(title, &content.body.text),
        },
        Format::Markdown => {
            let blocks = parse::parse(&content.body.text);
            let has_title = begins_with_title(&blocks, title);
            let text = text::write(&blocks);
            let direction = Direction::of(title, &text);
            let look = if has_title { direction.look_with_title() } else { direction.look() };
            Body { html: html::write(&blocks, look), text, has_title, direction }
        }
        Format::Html => {
            let text = html_text::write(&content.body.text);
            let direction = Direction::of(title, &text);
            Body { html: content.body.text.clone(), text, has_title: false, direction }
        }
    };
    let html = if content.body.format == Format::Html && is_document(&body.html) {
        framed(content, &body)
    } else {
        document(content, &body)
    };
    Email { html, text: content::with_extras(content, &body.text) }
}

/// A body, written both ways.
struct Body {
    html: String,
    text: String,
    /// Whether it begins with the title, which is then not written twice.
    has_title: bool,
    direction: Direction,
}

fn begins_with_title(blocks: &[Block], title: &str) -> bool {
    matches!(blocks.first(), Some(Block::Heading(_, children)) if plain(children, " ").trim() == title)
}

fn is_document(html: &str) -> bool {
    ["<html", "<!doctype", "<body"].iter().any(|start| find(html, start).is_some())
}

/// Where `wanted`, which is lower case, stands in any case.
fn find(html: &str, wanted: &str) -> Option<usize> {
    html.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Where a document's body ends.
fn end_of_body(html: &str) -> usize {
    let last = |wanted: &str| {
        html.as_bytes()
            .windows(wanted.len())
            .rposition(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    last("</body").or_else(|| last("</html")).unwrap_or(html.len())
}

/// An author's own document, with what else the content has.
fn framed(content: &Content, Body { html, direction, .. }: &Body) -> String {
    let (before, after) = html.split_at(end_of_body(html));
    let mut out = String::with_capacity(html.len() + 1024);
    out.push_str(before);
    // Whatever the author's frame says, ours is laid out in one direction.
    out.push_str(direction.pick("", "<div dir=\"rtl\" style=\"text-align:right\">\n"));
    extras::write(content, *direction, &mut out);
    out.push_str(direction.pick("", "</div>\n"));
    out.push_str(after);
    out
}

fn document(content: &Content, body: &Body) -> String {
    let title = content.title.trim();
    let own_html = content.body.format == Format::Html;
    let only_light = own_html && has_colors(&body.html);
    let mut out = String::with_capacity(6144 + body.html.len());
    out.push_str("<!doctype html>\n<html");
    if let Some(language) = language(title, &body.text) {
        out.push_str(" lang=\"");
        out.push_str(language);
        out.push('"');
    }
    out.push_str(body.direction.pick("", " dir=\"rtl\""));
    out.push_str(style::HEAD_START);
    out.push_str("<title>");
    escape(title, &mut out);
    out.push_str("</title>\n");
    out.push_str(if only_light { style::LIGHT } else { style::LIGHT_AND_DARK });
    out.push_str("</head>\n<body class=\"mc-page\" style=\"margin:0;padding:0;background:#f3f4f6\">\n");
    preheader(title, &body.text, &mut out);
    out.push_str(style::CARD_START);
    if let Some(level) = content.level {
        let color = style::color(Some(level));
        for piece in [
            "<tr><td bgcolor=\"",
            color,
            "\" style=\"height:6px;line-height:6px;font-size:0;background:",
            color,
            "\">&nbsp;</td></tr>\n",
        ] {
            out.push_str(piece);
        }
    }
    out.push_str(body.direction.pick(style::TEXT_START, style::TEXT_START_RIGHT_TO_LEFT));
    if !title.is_empty() && !body.has_title {
        out.push_str("<h1 style=\"");
        out.push_str(style::TITLE);
        out.push_str("\">");
        escape(title, &mut out);
        out.push_str("</h1>\n");
    }
    if let Some(image) = content.image.as_deref().and_then(safe_url) {
        out.push_str("<p style=\"margin:0 0 20px\"><img src=\"");
        escape(&image, &mut out);
        out.push_str("\" alt=\"\" style=\"display:block;max-width:100%;height:auto;border:0;border-radius:6px\"></p>\n");
    }
    if own_html {
        // What an author lays out is as wide as it likes.
        out.push_str("<div style=\"overflow-x:auto\">\n");
        if find(&body.html, "<style").is_some() {
            out.push_str(&body.html);
        } else {
            out.push_str(&fragment::styled(&body.html, body.direction.look()));
        }
        out.push_str("\n</div>\n");
    } else {
        out.push_str(&body.html);
    }
    extras::write(content, body.direction, &mut out);
    out.push_str(style::CARD_END);
    out.push_str("</body>\n</html>\n");
    out
}

fn has_colors(html: &str) -> bool {
    // `bgcolor` and `background-color` are among them.
    find(html, "color").is_some() || find(html, "background").is_some()
}

/// The language by which a reader chooses among the forms that Chinese, Japanese and Korean characters share, and a
/// screen reader its voice; nothing is said of texts without such characters.
fn language(title: &str, text: &str) -> Option<&'static str> {
    let mut han = false;
    for c in title.chars().chain(text.chars()).filter(|c| !c.is_ascii()) {
        match c {
            '\u{3041}'..='\u{30FF}' => return Some("ja"),
            '\u{AC00}'..='\u{D7A3}' => return Some("ko"),
            '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' => han = true,
            _ => {}
        }
    }
    han.then_some("zh-CN")
}

/// The beginning of the text, hidden in the mail itself: lists of mails show it beside the subject, where they would
/// show the title again.
fn preheader(title: &str, text: &str, out: &mut String) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut lines = lines.skip_while(|line| *line == title).peekable();
    if lines.peek().is_none() {
        return;
    }
    let mut shown = String::new();
    for line in lines {
        let room = PREHEADER_CHARACTERS.saturating_sub(shown.chars().count());
        if room == 0 {
            break;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.extend(line.chars().take(room));
    }
    out.push_str("<div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\">");
    escape(&shown, out);
    out.push_str("</div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_characters() {
        for (text, expected) in [
            ("plain, café", None),
            ("部署完成 ok", Some("zh-CN")),
            ("配備が完了しました", Some("ja")),
            ("배포 완료", Some("ko")),
        ] {
            assert_eq!(language("", text), expected, "{text}");
        }
    }

    #[test]
    fn a_list_of_mails_shows_the_beginning_of_the_body_and_not_the_title_again() {
        let shown = |title: &str, text: &str| {
            let mut out = String::new();
            preheader(title, text, &mut out);
            out
        };
        assert!(shown("Hi", "Hi\n\nfirst <b>\nsecond").contains(">first &lt;b&gt; second</div>"));
        assert_eq!(shown("Hi", "Hi\n"), "");
        let long = shown("", &"一二三四五\n".repeat(100));
        assert_eq!(long.chars().filter(|c| !c.is_ascii()).count(), 101, "120 with the spaces between");
    }
}
