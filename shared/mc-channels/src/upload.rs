//! Files as platforms want them uploaded: `multipart/form-data`.

use bytes::Bytes;
use mc_core::ports::Attachment;
use ring::digest::{Context, SHA256};

/// What a file is known by: what it is sent as, its name, which the reader sees, and its bytes.
pub(crate) fn hash(file: &Attachment, kind: &str) -> String {
    let mut context = Context::new(&SHA256);
    for part in [kind.as_bytes(), b"\0", file.filename.as_bytes(), b"\0", &file.bytes] {
        context.update(part);
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The form with the file as its part `media`. The file's own hash is a boundary that it cannot contain.
pub(crate) fn form(file: &Attachment, boundary: &str) -> Bytes {
    form_with(&[], "media", file, boundary)
}

/// The form with some texts and the file, under a name of the platform's.
pub(crate) fn form_with(texts: &[(&str, &str)], name: &str, file: &Attachment, boundary: &str) -> Bytes {
    let mut head = String::new();
    for (name, text) in texts {
        let disposition = format!("Content-Disposition: form-data; name=\"{name}\"");
        head.push_str(&format!("--{boundary}\r\n{disposition}\r\n\r\n{text}\r\n"));
    }
    let filename = plain_name(file);
    let content_type: String = file.content_type.chars().filter(char::is_ascii_graphic).collect();
    head.push_str(&format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"; filelength={}\r\n\
         Content-Type: {content_type}\r\n\r\n",
        file.bytes.len(),
    ));
    let end = format!("\r\n--{boundary}--\r\n");
    [head.as_bytes(), &file.bytes, end.as_bytes()].concat().into()
}

/// A file's name without what would end its place in a form.
pub(crate) fn plain_name(file: &Attachment) -> String {
    let bad = |c: char| c.is_control() || matches!(c, '"' | '\\' | '/' | ';');
    file.filename.chars().map(|c| if bad(c) { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(filename: &str, bytes: &'static [u8]) -> Attachment {
        Attachment {
            filename: filename.into(),
            content_type: "text/plain\r\n".into(),
            bytes: Bytes::from_static(bytes),
        }
    }

    #[test]
    fn a_file_is_known_by_its_bytes_its_name_and_what_it_is_sent_as() {
        let same = hash(&file("a.txt", b"1"), "file");
        assert_eq!(same, hash(&file("a.txt", b"1"), "file"));
        for (other, kind) in
            [(file("b.txt", b"1"), "file"), (file("a.txt", b"2"), "file"), (file("a.txt", b"1"), "image")]
        {
            assert_ne!(same, hash(&other, kind));
        }
    }

    #[test]
    fn no_name_breaks_out_of_the_form() {
        let form = form(&file("../\"报告\"\r\n.txt", b"123"), "b0");
        let expected = "--b0\r\nContent-Disposition: form-data; name=\"media\"; filename=\".._\u{5f}报告_\u{5f}_.txt\"; filelength=3\r\n\
                        Content-Type: text/plain\r\n\r\n123\r\n--b0--\r\n";
        assert_eq!(String::from_utf8_lossy(&form), expected);
    }
}
