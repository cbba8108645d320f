//! Logins: PLAIN and LOGIN.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::reply::Reply;

/// The registered logins.
#[derive(Default)]
pub(crate) struct Accounts(Mutex<HashMap<String, String>>);

impl Accounts {
    pub(crate) fn register(&self, user: String, password: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(user, password);
    }

    /// While nobody is registered, everybody may log in.
    fn accept(&self, login: &Login) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_empty() || known.get(&login.user).is_some_and(|password| *password == login.password)
    }

    /// The user, or the reply to a wrong login.
    pub(super) fn check(&self, login: Login) -> Result<String, Reply> {
        if self.accept(&login) {
            return Ok(login.user);
        }
        Err(Reply::new(535, "5.7.8 authentication credentials invalid"))
    }
}

/// A user name and a password, as the client sent them.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// Reads the response of PLAIN: `authorization NUL user NUL password`.
pub(super) fn plain(response: &str) -> Result<Login, Reply> {
    let decoded = text(response)?;
    let parts: Vec<&str> = decoded.split('\0').collect();
    match parts.as_slice() {
        [_, user, password] if !user.is_empty() => {
            Ok(Login { user: (*user).to_owned(), password: (*password).to_owned() })
        }
        _ => Err(Reply::new(501, "5.5.2 malformed PLAIN response")),
    }
}

/// Decodes a response; `*` is how a client gives up.
pub(super) fn text(response: &str) -> Result<String, Reply> {
    if response == "*" {
        return Err(Reply::new(501, "5.7.0 authentication cancelled"));
    }
    // RFC 4954: a lone `=` is an empty initial response.
    let response = if response == "=" { "" } else { response };
    let decoded = STANDARD.decode(response).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| Reply::new(501, "5.5.2 cannot decode the response"))
}
