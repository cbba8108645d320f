//! Which addresses a link may have.

/// Schemes that only open something. `javascript:`, `data:`, `file:` and relative addresses are not among them.
const SCHEMES: [&str; 7] = ["http", "https", "mailto", "tel", "dingtalk", "weixin", "wxwork"];

/// An address that may stand behind a link, cleaned so that it cannot end the place where a platform expects it; or
/// nothing, when its scheme is not one that only opens something.
pub fn safe_url(url: &str) -> Option<String> {
    let url = url.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let (scheme, rest) = url.split_once(':')?;
    if rest.is_empty() || !SCHEMES.iter().any(|s| s.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            // Brackets of IPv6 addresses stay; everything that some dialect takes for an end is encoded.
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
    Some(out)
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
    fn nothing_in_an_address_ends_it() {
        assert_eq!(
            safe_url("https://a/(b) c\n\"'<>`|\\*").as_deref(),
            Some("https://a/%28b%29%20c%22%27%3C%3E%60%7C%5C%2A")
        );
        assert_eq!(safe_url("https://a/\u{202E}x").as_deref(), Some("https://a/%E2%80%AEx"));
    }
}
