//! A part of a page in our frame: its blocks look like those of a Markdown body.
//!
//! Only what the author left open is said. Ours stands before what an element says itself, so that the author's counts; what
//! an attribute says (`width`, `align`) is not said again; and a table that says how much room it takes, and has no lines, is
//! the author's layout, in which no cell gets a line.

use super::super::html::Style;
use super::super::tags::{Piece, Tag, UNREAD, pieces};

/// What Markdown writes as well. A box of the author's is no box of ours.
const STYLED: [&str; 16] = [
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "blockquote",
    "pre",
    "table",
    "th",
    "td",
    "hr",
];

/// Attributes, and what of a style they say already.
const SAID: [(&str, &[&str]); 5] = [
    ("width", &["width", "min-width"]),
    ("align", &["text-align"]),
    ("valign", &["vertical-align"]),
    ("bgcolor", &["background"]),
    ("background", &["background"]),
];

/// HTML with the styles that its blocks lack.
pub(super) fn styled(html: &str, look: Style) -> String {
    let mut out = String::with_capacity(html.len() + html.len() / 2);
    // Of each table that is open, whether its cells are ours to style.
    let mut tables = Vec::new();
    for piece in pieces(html, &UNREAD) {
        let Piece::Tag(tag) = piece else {
            out.push_str(piece.source());
            continue;
        };
        let name = tag.name();
        match (name.as_str(), tag.closes()) {
            ("table", true) => {
                tables.pop();
            }
            ("table", false) => tables.push(!tag.lays_out()),
            _ => {}
        }
        let is_ours = match name.as_str() {
            "table" | "th" | "td" => tables.last() == Some(&true),
            name => STYLED.contains(&name),
        };
        if is_ours && !tag.closes() {
            push(tag, &name, look, &mut out);
        } else {
            out.push_str(tag.source());
        }
    }
    out
}

/// Writes a start tag with its style.
fn push(tag: Tag<'_>, name: &str, look: Style, out: &mut String) {
    let (attributes, tag) = (tag.attributes(), tag.source());
    let said: Vec<&str> = SAID
        .iter()
        .filter(|(attribute, _)| attributes.iter().any(|a| a.is(attribute)))
        .flat_map(|(_, properties)| *properties)
        .copied()
        .collect();
    let lacks = |property: &&str| {
        let name = property.split(':').next().unwrap_or_default();
        !name.is_empty() && !said.contains(&name)
    };
    let ours = look(name).split(';').filter(lacks).collect::<Vec<_>>().join(";");
    match attributes.iter().find(|a| a.is("style")) {
        Some(own) if own.quoted => {
            out.push_str(&tag[..own.value.start]);
            out.push_str(&ours);
            out.push(';');
            out.push_str(&tag[own.value.start..]);
        }
        // Without quotes there is no place for ours.
        Some(_) => out.push_str(tag),
        None => {
            let (start, rest) = tag.split_at(1 + name.len());
            out.push_str(&format!("{start} style=\"{ours}\"{rest}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::style;

    fn styled(html: &str) -> String {
        super::styled(html, style::of)
    }

    #[test]
    fn blocks_get_the_styles_that_their_author_left_open() {
        let hr = style::of("hr");
        for (html, wanted) in [
            ("a <b>c</b> < d<br>", "a <b>c</b> < d<br>".to_owned()),
            ("<P>a</P>", "<P style=\"margin:0 0 16px\">a</P>".to_owned()),
            ("<hr/><hr />", format!("<hr style=\"{hr}\"/><hr style=\"{hr}\" />")),
            ("<p class=x style='margin:0'>", "<p class=x style='margin:0 0 16px;margin:0'>".to_owned()),
            ("<p style=margin:0>", "<p style=margin:0>".to_owned()),
            (
                "<p title=\"a > style='b'\">",
                "<p style=\"margin:0 0 16px\" title=\"a > style='b'\">".to_owned(),
            ),
            ("<!-- <p> --><div><svg><p></svg>", "<!-- <p> --><div><svg><p></svg>".to_owned()),
            ("<p", "<p style=\"margin:0 0 16px\"".to_owned()),
        ] {
            assert_eq!(styled(html), wanted, "{html}");
        }
    }

    #[test]
    fn a_table_of_values_has_lines_and_one_that_lays_out_has_none() {
        let cell = style::of("td").trim_end_matches(';');
        let html = "<table><tr><td>a</td><td valign=top style=\"color:red\">b</td></tr></table>";
        let open = "min-width:4em;padding:8px 12px;border:1px solid #d1d5db;word-break:normal;overflow-wrap:break-word";
        assert_eq!(
            styled(html),
            format!(
                "<table style=\"{}\"><tr><td style=\"{cell}\">a</td>\
                 <td valign=top style=\"{open};color:red\">b</td></tr></table>",
                style::of("table")
            )
        );
        for layout in ["cellpadding=\"0\"", "border=0 style=\"width:100%\"", "role=presentation"] {
            let html = format!("<table {layout}><tr><td>a</td></tr></table>");
            assert_eq!(styled(&html), html);
        }
        let lines = "<table border=\"1\" width=\"1400\"><td>a</td></table>";
        let wanted = format!(
            "<table style=\"border-collapse:collapse\" border=\"1\" width=\"1400\"><td style=\"{cell}\">a</td></table>"
        );
        assert_eq!(styled(lines), wanted, "and it stays as wide as it was");
        let inside = format!("<table width=600><tr><td>{html}</td></tr></table>");
        assert_eq!(styled(&inside), format!("<table width=600><tr><td>{}</td></tr></table>", styled(html)));
    }

    #[test]
    fn what_is_no_html_stays_what_it_is() {
        for html in
            ["<", "a <3", "</", "<p =\"", "<p style=\"x", "<!-- a", "<td style>", "<\u{e9}>", "<p /é='ü'"]
        {
            let plain =
                styled(html).replace(" style=\"margin:0 0 16px\"", "").replace("margin:0 0 16px;", "");
            assert_eq!(plain, html);
        }
    }
}
