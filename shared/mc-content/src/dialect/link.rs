//! Which addresses a link may have.

/// Schemes that only open something. `javascript:`, `data:`, `file:` and relative addresses are not among them.
const SCHEMES: [&str; 7] = ["http", "https", "mailto", "tel", "dingtalk", "weixin", "wxwork"];

/// An address that may stand behind a link, cleaned so that it cannot end the place where a platform expects it; or
/// nothing, when its scheme is not one that only opens something.
pub fn safe_url(url: &str) -> Option<String> {
    let url = trimmed(url);
    let (scheme, rest) = url.split_once(':')?;
    let opens = !rest.is_empty() && SCHEMES.iter().any(|s| s.eq_ignore_ascii_case(scheme));
    opens.then(|| cleaned(url))
}

/// The same for a picture, which may also be a file that travels in the same mail (`cid:logo.png`).
pub(super) fn picture_url(url: &str) -> Option<String> {
    safe_url(url).or_else(|| {
        let url = trimmed(url);
        is_in_mail(url).then(|| cleaned(url))
    })
}

/// Whether an address is that of a file in the same mail, which nothing but a mail can show.
pub(super) fn is_in_mail(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, name)| scheme.eq_ignore_ascii_case("cid") && !name.is_empty())
}

/// Whether a text already says where its link leads.
pub(super) fn says(text: &str, url: &str) -> bool {
    let spoken = url.strip_prefix("mailto:").or(url.strip_prefix("tel:")).unwrap_or(url);
    text == spoken || safe_url(text).is_some_and(|address| address == url)
}

fn trimmed(url: &str) -> &str {
    url.trim_matches(|c: char| c.is_whitespace() || c.is_control())
}

/// An address in which nothing is left that some dialect takes for its end.
fn cleaned(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            // Brackets of IPv6 addresses stay.
            ' ' => out.push_str("%20"),
            '"' => out.push_str("%22"),
            '\'' => out.push_str("%27"),
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '*' => out.push_str("%2A"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '\\' => out.push_str("%5C"),
            '`' => out.push_str("%60"),
            '|' => out.push_str("%7C"),
            c if c.is_control() => {}
            c if c.is_whitespace() || is_invisible(c) => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters that turn or hide what follows them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_schemes_that_open_something_pass() {
        for url in [
            "https://a.b/c?d=e&f=g#h",
            "HTTP://a.b",
            "mailto:a@b.c",
            "tel:+861",
            "dingtalk://dingtalkclient/page/link?url=x",
            "weixin://dl/business",
            "wxwork://message",
        ] {
            assert_eq!(safe_url(url).as_deref(), Some(url));
        }
        for url in [
            "javascript:alert(1)",
            " java\tscript:x",
            "data:text/html,x",
            "file:///etc",
            "/a",
            "#a",
            "a",
            "",
            "https:",
            "//a.b",
        ] {
            assert_eq!(safe_url(url), None, "{url}");
        }
    }

    #[test]
    fn a_picture_may_be_a_file_of_the_mail() {
        assert_eq!(picture_url(" cid:logo.png ").as_deref(), Some("cid:logo.png"));
        assert_eq!(picture_url("cid:a (b)\">").as_deref(), Some("cid:a%20%28b%29%22%3E"));
        assert_eq!(picture_url("CID:Logo.png").as_deref(), Some("CID:Logo.png"), "in capitals, too");
        assert_eq!(picture_url("https://a.b/c.png").as_deref(), Some("https://a.b/c.png"));
        for url in ["cid:", "cidx:a", "data:image/png,x", "logo.png"] {
            assert_eq!(picture_url(url), None, "{url}");
        }
        assert_eq!(safe_url("cid:logo.png"), None, "it opens nothing");
    }

    #[test]
    fn nothing_in_an_address_ends_it() {
        assert_eq!(
            safe_url("https://a/(b) c\n\"'<>`|\\*").as_deref(),
            Some("https://a/%28b%29%20c%22%27%3C%3E%60%7C%5C%2A")
        );
        assert_eq!(safe_url("https://a/\u{202E}x").as_deref(), Some("https://a/%E2%80%AEx"));
    }
}
