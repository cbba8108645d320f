//! Session tokens of operators, and the cookie they travel in.
//!
//! A token is `mcs_`, the operator's name and 32 random bytes. The store knows it only by a hash over the token and
//! the operator's password hash: a stolen store opens no session, and a changed password ends them all.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use mc_core::Secret;
use mc_core::model::Operator;
use mc_core::ports::Random;
use ring::digest;

/// The name of the cookie.
pub const COOKIE: &str = "mc_session";

const PREFIX: &str = "mcs_";

/// A new token for an operator.
pub fn new_token(username: &str, random: &dyn Random) -> Secret {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    random.fill(bytes.as_mut_slice());
    let name = URL_SAFE_NO_PAD.encode(username);
    Secret::new(format!("{PREFIX}{name}.{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Whose token it says it is.
pub fn username_of(token: &str) -> Option<String> {
    let (name, random) = token.strip_prefix(PREFIX)?.split_once('.')?;
    if name.len() > 128 || random.len() != 43 {
        return None;
    }
    String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()
}

/// What the store knows the session by.
pub fn token_hash(token: &str, operator: &Operator) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [token, "\n", &operator.password] {
        hash.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(hash.finish())
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let alone = values.next().is_none();
    (alone && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

/// The token of the session cookie.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token.trim_matches('"'))
}

/// The header that keeps a token in the browser, out of reach of its scripts; an empty token takes it away.
pub fn set_cookie(token: &str, life: Duration, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let seconds = life.as_secs();
    let text = format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl Random for Sevens {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn a_token_names_its_operator() {
        let token = new_token("zhang.san", &Sevens);
        assert_eq!(username_of(token.expose()).as_deref(), Some("zhang.san"));
        for bad in
            ["", "mcs_", "mcs_eA", "mcs_eA.x", "MC123", "mcs_!.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert_eq!(username_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_changed_password_ends_sessions() {
        let operator = |password: &str| Operator::new(password.to_owned(), std::collections::BTreeMap::new());
        assert_eq!(token_hash("t", &operator("a")), token_hash("t", &operator("a")));
        assert_ne!(token_hash("t", &operator("a")), token_hash("t", &operator("b")));
    }

    #[test]
    fn tokens_are_found_in_headers() {
        assert_eq!(bearer(&headers(header::AUTHORIZATION, "bearer  abc ")), Some("abc"));
        assert_eq!(bearer(&headers(header::AUTHORIZATION, "Basic abc")), None);
        assert_eq!(cookie(&headers(header::COOKIE, "a=b; mc_session=abc; c=d")), Some("abc"));
        assert_eq!(cookie(&headers(header::COOKIE, "xmc_session=abc")), None);
        let value = set_cookie("abc", Duration::from_secs(60), true).unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            "mc_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
        );
    }
}
