//! The canonical forms of path, query and header values.
//!
//! | signer | path | query |
//! |---|---|---|
//! | curl before 8.3 | as sent | as sent |
//! | curl 8.3 – 8.8 | as sent | sorted, escaped, `+` is a plus |
//! | curl 8.9 – 8.13 | escaped once | sorted, escaped, `+` is a plus |
//! | curl 8.14 – 8.18 | as sent, escaped again | sorted, escaped, `+` **and `%2B`** are spaces |
//! | curl since 8.19 | as sent, escaped again | sorted, escaped, `+` is a space |
//! | botocore, given a URL | normalised, escaped again | sorted, else as sent |
//! | botocore, given parameters | normalised, escaped again | sorted, escaped, a space is sent as `+` |
//! | most other SDKs | normalised or not, escaped again | sorted, escaped |
//!
//! So one signature may stand for a `+`, a `%2B` and a `%20` in a query value, and for two spellings of a path that
//! needs escaping. Names in our paths never need it, and whoever could exploit the former already reads the TLS stream.

use std::borrow::Cow;

/// The forms a path may have been signed in, without repetition; the path as it was sent comes first.
pub fn path_forms(raw: &str) -> Vec<Cow<'_, str>> {
    let mut forms = vec![Cow::Borrowed(raw)];
    if is_plain_path(raw) {
        return forms;
    }
    for form in [escape_path(&normalise(raw)), escape_path(raw), escape_once(raw)] {
        push_new(&mut forms, form);
    }
    forms
}

/// The forms a query may have been signed in, without repetition; the query as it was sent comes first.
pub fn query_forms(raw: &str) -> Vec<Cow<'_, str>> {
    let mut forms = vec![Cow::Borrowed(raw)];
    if raw.is_empty() {
        return forms;
    }
    let has_plus = raw.contains('+');
    let has_escaped_plus = raw.contains("%2B") || raw.contains("%2b");
    push_new(&mut forms, canonical_query(raw, Plus::Space));
    push_new(&mut forms, sorted_query(raw));
    if has_plus {
        push_new(&mut forms, canonical_query(raw, Plus::Literal));
    }
    if has_escaped_plus {
        push_new(&mut forms, canonical_query(raw, Plus::SpaceEvenEscaped));
    }
    forms
}

/// Writes a header value without the blanks around it and with every run of blanks as one space.
pub fn folded<'v>(value: &'v [u8], mut write: impl FnMut(&'v [u8])) {
    let value = value.trim_ascii();
    let has_run = value.windows(2).any(|pair| pair == b"  ");
    if !has_run && !value.contains(&b'\t') {
        return write(value);
    }
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            write(b" ");
        }
        write(word);
    }
}

fn push_new<'a>(forms: &mut Vec<Cow<'a, str>>, form: String) {
    if !forms.iter().any(|known| *known == form) {
        forms.push(Cow::Owned(form));
    }
}

/// Whether all forms of the path are the same.
fn is_plain_path(path: &str) -> bool {
    let normal = |segment: &str| !matches!(segment, "" | "." | "..");
    let Some(segments) = path.strip_prefix('/') else { return false };
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    path.bytes().all(|byte| is_unreserved(byte) || byte == b'/')
        && (path == "/" || segments.split('/').all(normal))
}

/// Resolves `.` and `..` and drops empty segments.
fn normalise(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

fn escape_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    for byte in path.bytes() {
        if byte == b'/' { out.push('/') } else { push_escaped(&mut out, byte) }
    }
    out
}

/// Escapes what is not yet escaped, and writes present escapes in upper case.
fn escape_once(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    for piece in Pieces(path.as_bytes()) {
        match piece {
            Piece::Plain(b'/') => out.push('/'),
            Piece::Plain(byte) => push_escaped(&mut out, byte),
            Piece::Escaped(byte) => push_escape(&mut out, byte),
        }
    }
    out
}

/// What a plus sign in a query means to the signer.
#[derive(Clone, Copy)]
enum Plus {
    Space,
    Literal,
    SpaceEvenEscaped,
}

/// Pairs decoded, escaped the standard way, sorted by key and value; a key without a value gets its `=`.
fn canonical_query(raw: &str, plus: Plus) -> String {
    let canonical = |text: &str| {
        let mut out = String::with_capacity(text.len() + 16);
        for piece in Pieces(text.as_bytes()) {
            let byte = match (piece, plus) {
                (Piece::Plain(b'+'), Plus::Space | Plus::SpaceEvenEscaped) => b' ',
                (Piece::Escaped(b'+'), Plus::SpaceEvenEscaped) => b' ',
                (Piece::Plain(byte) | Piece::Escaped(byte), _) => byte,
            };
            push_escaped(&mut out, byte);
        }
        out
    };
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(split_pair).map(|(key, value)| (canonical(key), canonical(value)));
    join_sorted(pairs.collect())
}

/// Pairs as they were sent, sorted by key and value.
fn sorted_query(raw: &str) -> String {
    join_sorted(raw.split('&').map(split_pair).collect())
}

fn split_pair(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

fn join_sorted<T: AsRef<str> + Ord>(mut pairs: Vec<(T, T)>) -> String {
    pairs.sort_unstable();
    let mut out = String::new();
    for (key, value) in &pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(key.as_ref());
        out.push('=');
        out.push_str(value.as_ref());
    }
    out
}

/// A byte of a URL, and whether it was percent-escaped. A stray `%` is a plain byte.
enum Piece {
    Plain(u8),
    Escaped(u8),
}

struct Pieces<'a>(&'a [u8]);

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let [b'%', high, low, rest @ ..] = self.0
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            self.0 = rest;
            return Some(Piece::Escaped(high << 4 | low));
        }
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(Piece::Plain(*first))
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn push_escaped(out: &mut String, byte: u8) {
    if is_unreserved(byte) { out.push(char::from(byte)) } else { push_escape(out, byte) }
}

fn push_escape(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_have_one_form() {
        for path in ["/", "/v1/messages", "/v1/templates/a.b_c~d-1/", "/v1/templates/.a", "/v1/templates/..."]
        {
            assert_eq!(path_forms(path), [path]);
        }
    }

    #[test]
    fn other_paths_have_few() {
        let table: [(&str, &[&str]); 7] = [
            ("/a%20b", &["/a%2520b"]),
            ("/%e5+:", &["/%25e5%2B%3A", "/%E5%2B%3A"]),
            ("//a//", &["/a/"]),
            ("/a/./b/../c", &["/a/c"]),
            ("/..", &["/"]),
            ("a", &["/a"]),
            ("/%zz/../é", &["/%C3%A9", "/%25zz/../%C3%A9"]),
        ];
        for (sent, others) in table {
            let forms = path_forms(sent);
            assert_eq!(forms[0], sent);
            assert_eq!(forms[1..], *others, "{sent}");
        }
    }

    #[test]
    fn ordered_escaped_queries_have_one_form() {
        for query in ["", "a=1", "a=&b=~", "a=1&a=2&a-b=3&ab=%C3%A9"] {
            assert_eq!(query_forms(query), [query]);
        }
    }

    #[test]
    fn other_queries_have_few() {
        let table: [(&str, &[&str]); 8] = [
            ("a", &["a="]),
            ("a=2&a=1&b=&c", &["a=1&a=2&b=&c="]),
            ("b=2&&a=1&", &["a=1&b=2", "=&=&a=1&b=2"]),
            ("&", &["", "=&="]),
            ("a=%c3%a9", &["a=%C3%A9"]),
            ("a=b+c", &["a=b%20c", "a=b%2Bc"]),
            ("a=b%2bc", &["a=b%2Bc", "a=b%20c"]),
            ("=a=%&b", &["=a%3D%25&b=", "=a=%&b="]),
        ];
        for (sent, others) in table {
            let forms = query_forms(sent);
            assert_eq!(forms[0], sent);
            assert_eq!(forms[1..], *others, "{sent}");
        }
    }

    #[test]
    fn header_values_are_folded() {
        let table = [
            ("", ""),
            ("   ", ""),
            (" a b ", "a b"),
            ("a   b\t c", "a b c"),
            ("\ta\tb", "a b"),
            ("告  警", "告 警"),
        ];
        for (sent, expected) in table {
            let mut out = Vec::new();
            folded(sent.as_bytes(), |part| out.extend_from_slice(part));
            assert_eq!(out, expected.as_bytes(), "{sent:?}");
        }
    }
}
