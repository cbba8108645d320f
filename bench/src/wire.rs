//! As much of HTTP/1.1 as both ends of this program need: where the head ends, and how long the body is.

/// A message whose head and body have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where the body begins.
    pub(crate) body: usize,
    /// Where the message ends.
    pub(crate) end: usize,
}

/// What stands at the beginning of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// A whole message.
    Whole(Frame),
    /// Not yet a whole one.
    Part,
    /// The length of the body is not said in a way we read.
    Unreadable,
}

/// Looks for a whole message at the beginning of `buffer`. Without a `content-length` the body counts as empty.
pub(crate) fn arrived(buffer: &[u8]) -> Arrived {
    let Some(at) = find(buffer, b"\r\n\r\n") else { return Arrived::Part };
    let body = at + 4;
    match content_length(&buffer[..at]) {
        Some(length) if buffer.len() >= body + length => Arrived::Whole(Frame { body, end: body + length }),
        Some(_) => Arrived::Part,
        None => Arrived::Unreadable,
    }
}

/// Where `needle` begins.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(step) = text[from..].iter().position(|byte| *byte == first) {
        from += step;
        if text[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
    None
}

/// The length of the body; none if it is chunked or the number cannot be read.
fn content_length(head: &[u8]) -> Option<usize> {
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            return std::str::from_utf8(value).ok()?.parse().ok();
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return None;
        }
    }
    Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_when_its_body_is() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length:  4\r\nx: y\r\n\r\nbodyHTTP";
        let whole = text.len() - 4;
        for end in 0..whole {
            assert_eq!(arrived(&text[..end]), Arrived::Part, "{end}");
        }
        for end in whole..=text.len() {
            assert_eq!(arrived(&text[..end]), Arrived::Whole(Frame { body: whole - 4, end: whole }));
        }
    }

    #[test]
    fn without_a_length_the_body_is_empty_and_a_chunked_one_is_not_read() {
        assert_eq!(arrived(b"GET / HTTP/1.1\r\n\r\n"), Arrived::Whole(Frame { body: 18, end: 18 }));
        assert_eq!(
            arrived(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            Arrived::Unreadable
        );
        assert_eq!(arrived(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"), Arrived::Unreadable);
    }

    #[test]
    fn text_is_found_where_it_begins() {
        assert_eq!(find(b"aab", b"ab"), Some(1));
        assert_eq!(find(b"aab", b"abc"), None);
        assert_eq!(find(b"", b"a"), None);
    }
}
