//! Takes our secrets out of what others repeat.

use percent_encoding::percent_encode_byte;

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// Replaces a secret in the forms in which it may have been sent: as it is, percent-encoded as in an address or a form,
/// and as inside of a JSON text. Which characters are escaped differs between writers, so every one may be.
pub(crate) fn mask(text: &str, secret: &str) -> String {
    let text = text.replace(secret, HIDDEN);
    let text = if text.contains(['%', '+']) { replace(&text, secret, in_url) } else { text };
    if text.contains('\\') { replace(&text, secret, in_json) } else { text }
}

/// How many bytes of the text's beginning stand for the character in one form; nothing if something else stands there.
type Form = fn(&str, char) -> Option<usize>;

fn replace(text: &str, secret: &str, form: Form) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut left = text;
    while let Some(first) = left.chars().next() {
        let behind = secret.chars().try_fold(left, |left, c| left.get(form(left, c)?..));
        if let Some(behind) = behind {
            clean.push_str(HIDDEN);
            left = behind;
        } else {
            clean.push(first);
            left = &left[first.len_utf8()..];
        }
    }
    clean
}

fn in_url(text: &str, c: char) -> Option<usize> {
    if c == ' ' && text.starts_with('+') {
        return Some(1);
    }
    if !text.starts_with('%') {
        return text.starts_with(c).then(|| c.len_utf8());
    }
    let encoded: String = c.encode_utf8(&mut [0; 4]).bytes().map(percent_encode_byte).collect();
    begins(text, &encoded)
}

fn in_json(text: &str, c: char) -> Option<usize> {
    let Some(escape) = text.strip_prefix('\\') else {
        return text.starts_with(c).then(|| c.len_utf8());
    };
    let short = match c {
        '"' | '\\' | '/' => Some(c),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        '\u{8}' => Some('b'),
        '\u{c}' => Some('f'),
        _ => None,
    };
    if short.is_some_and(|short| escape.starts_with(short)) {
        return Some(2);
    }
    let units: Vec<String> =
        c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    begins(text, &units.concat())
}

/// The length of a beginning whose hexadecimal digits may be capitals or not.
fn begins(text: &str, with: &str) -> Option<usize> {
    text.get(..with.len()).filter(|start| start.eq_ignore_ascii_case(with)).map(str::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_in_every_form_in_which_it_may_be_repeated() {
        let secret = "p ä%/+\"\\\n😀";
        for repeated in [
            secret,
            "p+%C3%A4%25%2F%2B%22%5C%0A%F0%9F%98%80",
            "p%20%c3%a4%25/%2b%22%5c%0a%f0%9f%98%80",
            "%70%20ä%25%2F%2B%22%5C%0A😀",
            "p ä%/+\\\"\\\\\\n😀",
            "p \\u00E4%\\/+\\u0022\\u005c\\u000a\\uD83D\\ude00",
        ] {
            assert_eq!(mask(&format!("%2 a={repeated}&\\x"), secret), "%2 a=***&\\x", "{repeated}");
        }
    }

    #[test]
    fn every_repetition_goes_and_nothing_else() {
        assert_eq!(mask("a+b%20c a%2Bb", "a+b"), "***%20c ***");
        assert_eq!(mask("aab%21", "ab!"), "a***");
        assert_eq!(mask("50% of ab+c and a\\nb", "ab c!"), "50% of ab+c and a\\nb");
    }
}
