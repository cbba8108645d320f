//! Just enough `multipart/form-data` to find one file and the texts beside it.

/// A file in a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File<'a> {
    /// The name the reader sees.
    pub(crate) name: String,
    pub(crate) content: &'a [u8],
}

/// The part `name`, if it carries a `filename`.
pub(crate) fn file<'a>(content_type: &str, body: &'a [u8], name: &str) -> Option<File<'a>> {
    let mut parts = parts(content_type, body).into_iter();
    parts.find_map(|(head, content)| Some(File { name: file_name(head, name)?, content }))
}

/// The text of the part `name`, if it is no file.
pub(crate) fn text(content_type: &str, body: &[u8], name: &str) -> Option<String> {
    let named = format!("name=\"{name}\"");
    parts(content_type, body).into_iter().find_map(|(head, content)| {
        let head = String::from_utf8_lossy(head);
        let wanted = head.split([';', '\r', '\n']).any(|piece| piece.trim() == named);
        (wanted && !head.contains("filename=")).then(|| String::from_utf8_lossy(content).into_owned())
    })
}

/// Heads and contents, as far as the form is well made.
fn parts<'a>(content_type: &str, body: &'a [u8]) -> Vec<(&'a [u8], &'a [u8])> {
    let mut found = Vec::new();
    let Some(boundary) = boundary(content_type) else { return found };
    let delimiter = format!("--{boundary}");
    let end = format!("\r\n{delimiter}");
    let mut rest = after(body, delimiter.as_bytes()).unwrap_or_default();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let Some(length) = find(part, end.as_bytes()) else { break };
        found.extend(split_head(&part[..length]));
        rest = &part[length + end.len()..];
    }
    found
}

fn boundary(content_type: &str) -> Option<&str> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parts.find_map(|part| part.strip_prefix("boundary="))?.trim_matches('"');
    (!boundary.is_empty()).then_some(boundary)
}

/// The file name of a part, if it is the one looked for and a file.
fn file_name(head: &[u8], name: &str) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    head.lines().find_map(|line| {
        let (header, value) = line.split_once(':')?;
        let mut parameters = value.split(';').map(str::trim);
        let wanted = header.eq_ignore_ascii_case("content-disposition")
            && parameters.clone().any(|p| p == format!("name=\"{name}\"") || p == format!("name={name}"));
        let given = parameters.find_map(|p| p.strip_prefix("filename="))?;
        wanted.then(|| given.trim_matches('"').to_owned())
    })
}

fn split_head(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = find(part, b"\r\n\r\n")?;
    Some((&part[..end], &part[end + 4..]))
}

fn after<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    find(bytes, needle).map(|at| &bytes[at + needle.len()..])
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::{File, file, text};

    const TYPE: &str = "multipart/form-data; boundary=xx";

    #[test]
    fn the_named_file_is_found_among_the_parts() {
        let body = b"--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--xx\r\n\
            Content-Disposition: form-data; name=\"media\"; filename=\"a.txt\"; filelength=7\r\n\
            Content-Type: text/plain\r\n\r\nline\r\n2\r\n--xx--\r\n";
        assert_eq!(file(TYPE, body, "media"), Some(File { name: "a.txt".to_owned(), content: b"line\r\n2" }));
        assert_eq!(file(TYPE, body, "note"), None, "a part without a file name is no file");
        assert_eq!(text(TYPE, body, "note").as_deref(), Some("hi"));
        assert_eq!(text(TYPE, body, "media"), None, "a file is no text");
        assert_eq!(file("application/json", body, "media"), None);
    }
}
