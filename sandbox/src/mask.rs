//! Keeps credentials out of the inbox.

use std::collections::BTreeMap;

use http::HeaderMap;

/// Path segments from this length on are taken for tokens; words in a path are shorter.
const TOKEN_LENGTH: usize = 20;

/// The last four characters of a key; nothing of a key so short that four characters would give it away.
pub(crate) fn key(key: &str) -> String {
    let length = key.chars().count();
    if length < 8 {
        return "****".to_owned();
    }
    let tail: String = key.chars().skip(length - 4).collect();
    format!("****{tail}")
}

/// A path in which what looks like a token is masked.
pub(crate) fn path(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        if segment.chars().count() >= TOKEN_LENGTH { key(segment) } else { segment.to_owned() }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The headers with lower-case names; credentials and the headers in `secret` are masked.
pub(crate) fn headers(headers: &HeaderMap, secret: &[String]) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let value = values.collect::<Vec<_>>().join(", ");
        let hide =
            is_credential(name.as_str()) || secret.iter().any(|s| s.eq_ignore_ascii_case(name.as_str()));
        shown.insert(name.as_str().to_owned(), if hide { key(&value) } else { value });
    }
    shown
}

fn is_credential(name: &str) -> bool {
    const PARTS: [&str; 7] =
        ["authorization", "cookie", "token", "secret", "password", "api-key", "access-key"];
    PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_its_last_four_characters_at_most() {
        assert_eq!(key("693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"), "****5aaa");
        assert_eq!(key("short"), "****");
        assert_eq!(path("/im/send/0123456789abcdef0123456789abcdef"), "/im/send/****cdef");
    }
}
