//! What a mail carries so that its events find their way back.
//!
//! SES's tags hold letters, digits, `_` and `-`, and ours hold a few more; those are written as `_` and two hexadecimal
//! digits.

/// The push.
pub(super) const PUSH: &str = "mc-push";
/// The project.
pub(super) const PROJECT: &str = "mc-project";
/// The channel.
pub(super) const CHANNEL: &str = "mc-channel";

/// A text as a tag's value.
pub(super) fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut value, byte| {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            value.push(char::from(byte));
        } else {
            value.push_str(&format!("_{byte:02x}"));
        }
        value
    })
}

/// A tag's value as the text it was.
pub(super) fn decode(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        if c == '_' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = &rest[3..];
        } else {
            let end = c.len_utf8();
            bytes.extend_from_slice(&rest.as_bytes()[..end]);
            rest = &rest[end..];
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_survives_a_tag() {
        for name in ["default", "Ops.Mail~2_x", "", "01HF7YAT31000000000000001A-0-0"] {
            let value = encode(name);
            assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)), "{value}");
            assert_eq!(decode(&value).as_deref(), Some(name));
        }
        for bad in ["_", "_4", "_zz", "_é"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
