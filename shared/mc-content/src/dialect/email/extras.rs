//! What a mail shows below its body: facts, buttons, the link.

use mc_core::model::Content;

use super::super::content::link_of;
use super::super::html::{KEEP_SPACES, escape};
use super::super::link::safe_url;
use super::direction::Direction;
use super::style;

pub(super) fn write(content: &Content, direction: Direction, out: &mut String) {
    facts(content, direction, out);
    buttons(content, direction, out);
    link(content, direction, out);
}

/// A table of two columns; the value of a fact without a label takes both. A long value wraps anywhere, so it never
/// scrolls.
fn facts(content: &Content, direction: Direction, out: &mut String) {
    if content.facts.is_empty() {
        return;
    }
    out.push_str(
        "<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"margin:0 0 20px;",
    );
    out.push_str("table-layout:fixed;border-collapse:collapse;width:100%\">\n");
    // Only the first row says how wide the columns are, and it may have one cell.
    out.push_str("<colgroup><col width=\"32%\" style=\"width:32%\"><col></colgroup>\n");
    for fact in &content.facts {
        out.push_str("<tr>");
        let has_label = !fact.label.trim().is_empty();
        if has_label {
            out.push_str("<th scope=\"row\" class=\"mc-label\" width=\"32%\" style=\"width:32%;padding:8px ");
            out.push_str(direction.pick("12px 8px 0", "0 8px 12px"));
            out.push_str(";border-bottom:1px solid #e5e7eb;text-align:");
            out.push_str(direction.pick("left", "right"));
            out.push_str(";vertical-align:top;font-weight:400;color:#4b5563\">");
            escape(&fact.label, out);
            out.push_str("</th>");
        }
        out.push_str(if has_label { "<td" } else { "<td colspan=\"2\"" });
        out.push_str(
            " style=\"padding:8px 0;border-bottom:1px solid #e5e7eb;vertical-align:top;\
             word-break:break-word;overflow-wrap:anywhere",
        );
        out.push_str(KEEP_SPACES);
        out.push_str("\">");
        lines(&fact.value, out);
        out.push_str("</td></tr>\n");
    }
    out.push_str("</table>\n");
}

fn lines(text: &str, out: &mut String) {
    for (i, line) in text.lines().enumerate() {
        if i > 0 {
            out.push_str("<br>");
        }
        escape(line, out);
    }
}

/// Buttons are cells, because some readers colour nothing else; the room around the words belongs to the link, so that
/// all of it can be pressed, and for Outlook, which gives links no room, to the cell (`mso-padding-alt`). The first one
/// has the level's colour, the others a frame. One that may not be opened is its text.
///
/// The link is one of them, if somebody chose its words.
fn buttons(content: &Content, direction: Direction, out: &mut String) {
    let color = style::color(content.level);
    let mut first = true;
    let own = content.links().map(|button| (button.text.as_str(), button.url.as_str()));
    for (text, url) in own.chain(content.link_label().zip(link_of(content))) {
        let Some(url) = safe_url(url) else {
            out.push_str("<p style=\"margin:0 0 16px\">");
            escape(text, out);
            out.push_str("</p>\n");
            continue;
        };
        out.push_str(
            "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" \
             style=\"display:inline-table;border-collapse:separate;max-width:100%;margin:0 ",
        );
        out.push_str(direction.pick("8px 12px 0", "0 12px 8px"));
        out.push_str("\"><tr><td class=\"");
        out.push_str(if first { "mc-first" } else { "mc-more" });
        out.push_str("\" align=\"center\" bgcolor=\"");
        let (ground, frame, words) =
            if first { (color, color, "#ffffff") } else { ("#ffffff", "#d1d5db", "#1f2937") };
        for piece in [
            ground,
            "\" style=\"background:",
            ground,
            ";border:1px solid ",
            frame,
            ";border-radius:6px;mso-padding-alt:11px 22px\"><a href=\"",
        ] {
            out.push_str(piece);
        }
        escape(&url, out);
        out.push_str("\" style=\"display:inline-block;padding:11px 22px;border-radius:6px;color:");
        out.push_str(words);
        out.push_str(if first { " !important" } else { "" });
        out.push_str(";text-decoration:none;font-weight:600;line-height:1.4\">");
        escape(text, out);
        out.push_str("</a></td></tr></table>\n");
        first = false;
    }
}

fn link(content: &Content, direction: Direction, out: &mut String) {
    let bare = link_of(content).filter(|_| content.link_label().is_none());
    let Some(url) = bare.and_then(safe_url) else { return };
    let mut escaped = String::with_capacity(url.len());
    escape(&url, &mut escaped);
    // An address among words that are read from the right is still read from the left.
    let own = direction.pick("<a href=\"", "<a dir=\"ltr\" href=\"");
    for piece in ["<p style=\"margin:8px 0 0;font-size:13px\">", own, &escaped, "\">", &escaped, "</a></p>\n"]
    {
        out.push_str(piece);
    }
}
