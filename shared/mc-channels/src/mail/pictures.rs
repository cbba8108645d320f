//! Pictures that travel in a mail: its HTML shows them by the names of their files (`<img src="cid:logo.png">`).

use std::ops::Range;

use mc_content::dialect::decode_entities;
use mc_core::ports::{Attachment, FileInfo, Warning};
use percent_encoding::percent_decode_str;

/// What stands before a name, in small letters or capitals. It is sent in small ones, as some readers look for those alone.
const SCHEME: &str = "cid:";
/// What an address may stand in, in a tag or in a style that itself stands in one.
const QUOTES: [&str; 4] = ["\"", "'", "&quot;", "&#39;"];

/// HTML that shows its pictures by their `Content-ID`, and for each file its own; none if the HTML does not show it.
pub(super) fn identified(html: &str, files: &[Attachment]) -> (String, Vec<Option<String>>) {
    let mut ids: Vec<Option<String>> = vec![None; files.len()];
    let mut out = String::with_capacity(html.len());
    let mut written = 0;
    for place in places(html) {
        let Some(at) = files.iter().position(|file| place.shows(&file.filename, &file.content_type)) else {
            continue;
        };
        let id = ids[at].get_or_insert_with(|| content_id(at, &files[at].filename));
        out.push_str(&html[written..place.at.start - SCHEME.len()]);
        out.push_str(SCHEME);
        out.push_str(id);
        written = place.at.end;
    }
    out.push_str(&html[written..]);
    (out, ids)
}

/// The note on pictures of the mail itself that are no file of it.
pub(super) fn missing(html: &str, files: &[FileInfo]) -> Option<Warning> {
    let is_dead = |place: &&Place| !files.iter().any(|file| place.shows(&file.filename, &file.content_type));
    let count = places(html).iter().filter(is_dead).count();
    let detail = format!("{count} picture(s) of the mail itself (cid:…) whose name no attached image has");
    (count > 0).then(|| Warning::new("image_dropped", detail))
}

/// A plain name is its own `Content-ID`. Readers take others apart in different ways, so those are not written; an `@`
/// keeps the two kinds apart.
fn content_id(at: usize, filename: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if filename.bytes().all(is_plain) { filename.to_owned() } else { format!("file-{at}@message-center") }
}

/// A place of HTML that shows a file of the mail.
#[derive(Debug)]
struct Place {
    /// Where the file's name stands.
    at: Range<usize>,
    /// The name, without entities.
    name: String,
}

impl Place {
    /// Whether it shows this file. A name may be percent-encoded, as in every address.
    fn shows(&self, filename: &str, content_type: &str) -> bool {
        let is_named = self.name == filename || percent_decode_str(&self.name).eq(filename.bytes());
        is_named && !filename.is_empty() && content_type.starts_with("image/")
    }
}

/// The places of HTML that show a file of the mail, in order and none in another one. They are not looked for in tags alone:
/// some mail programs read styles and comments, too.
fn places(html: &str) -> Vec<Place> {
    let mut found: Vec<Place> = Vec::new();
    // Schemes and styles are written in capitals, too. Every byte stays where it is.
    let small = html.to_ascii_lowercase();
    for (at, scheme) in small.match_indices(SCHEME) {
        let start = at + scheme.len();
        if found.last().is_some_and(|last| start < last.at.end) {
            continue;
        }
        if let Some(length) = name_length(&small[..at], &small[start..]) {
            let at = start..start + length;
            found.push(Place { name: decode_entities(html[at.clone()].trim_end()), at });
        }
    }
    found
}

/// How much of `rest` is a name if it stands in an attribute (`="…"`) or in a style (`url(…)`); else it is text.
fn name_length(before: &str, rest: &str) -> Option<usize> {
    let before = before.trim_end();
    let quote = QUOTES.into_iter().find(|quote| before.ends_with(quote));
    let opening = before.strip_suffix(quote.unwrap_or_default())?.trim_end();
    let in_style = opening.ends_with("url(");
    match quote {
        _ if !in_style && !opening.ends_with('=') => None,
        Some(quote) => rest.find(quote),
        None if in_style => rest.find(')'),
        None => rest.find(|c: char| c.is_whitespace() || c == '>'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(filename: &str) -> Attachment {
        Attachment {
            filename: filename.to_owned(),
            content_type: "image/png".to_owned(),
            bytes: Vec::<u8>::new().into(),
        }
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        let id = "file-0@message-center";
        for (filename, html, wanted) in [
            ("a.png", "<img src=\"cid:a.png\">", "<img src=\"cid:a.png\">".to_owned()),
            ("a.png", "<img src=cid:a.png alt=a>", "<img src=cid:a.png alt=a>".to_owned()),
            ("a.png", "<img src=cid:%61.png>", "<img src=cid:a.png>".to_owned()),
            ("my pic.png", "<img src = ' cid:my pic.png '>", format!("<img src = ' cid:{id}'>")),
            ("my pic.png", "<img src=\"cid:my%20pic.png\">", format!("<img src=\"cid:{id}\">")),
            ("a&b.png", "<img src=\"cid:a&amp;b.png\">", format!("<img src=\"cid:{id}\">")),
            ("a&b.png", "<img src=\"cid:a&b.png\">", format!("<img src=\"cid:{id}\">")),
            ("图.png", "<img src=\"cid:%E5%9B%BE.png\">", format!("<img src=\"cid:{id}\">")),
            (
                "图.png",
                "<p style='background:url(cid:图.png)'>",
                format!("<p style='background:url(cid:{id})'>"),
            ),
            (
                "图.png",
                "<p style=\"background:url(&quot;cid:图.png&quot;)\">",
                format!("<p style=\"background:url(&quot;cid:{id}&quot;)\">"),
            ),
            ("Logo.png", "<img src=\"CID:Logo.png\">", "<img src=\"cid:Logo.png\">".to_owned()),
            (
                "图.png",
                "<p style='background:URL(Cid:图.png)'>",
                format!("<p style='background:URL(cid:{id})'>"),
            ),
            ("100%.png", "<img src=\"cid:100%.png\">", format!("<img src=\"cid:{id}\">")),
            ("a%20b.png", "<img src=\"cid:a%20b.png\">", format!("<img src=\"cid:{id}\">")),
        ] {
            let (out, ids) = identified(html, &[image(filename)]);
            assert_eq!(out, wanted);
            assert!(ids[0].as_deref().is_some_and(|id| wanted.contains(id)), "{ids:?} in {wanted}");
        }
    }

    #[test]
    fn each_file_has_an_id_of_its_own() {
        let html = "<img src='cid:二'><img src='cid:一'><img src='cid:二'>";
        let (out, ids) = identified(html, &[image("一"), image("二"), image("三")]);
        let [one, two] = ["file-0@message-center", "file-1@message-center"];
        assert_eq!(out, format!("<img src='cid:{two}'><img src='cid:{one}'><img src='cid:{two}'>"));
        assert_eq!(ids, [Some(one.to_owned()), Some(two.to_owned()), None]);
    }

    #[test]
    fn what_shows_no_file_of_the_mail_stays() {
        for html in [
            "see cid:图.png",
            "<p>\"cid:图.png\"</p>",
            "<img src=\"cid:图.png.txt\">",
            "<img src=\"CID:图.PNG\">",
            "<img src=\"cid:图.png",
            "<img src=\"cid:x cid:图.png\">",
            "cid:",
        ] {
            assert_eq!(identified(html, &[image("图.png")]), (html.to_owned(), vec![None]));
        }
        let text = Attachment { content_type: "text/plain".to_owned(), ..image("图.png") };
        assert_eq!(identified("<img src=\"cid:图.png\">", &[text]).1, [None]);
    }
}
