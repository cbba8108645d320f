//! The secret part of an unsubscribe link. It is sealed, so it shows nobody an address and cannot be made up.

use crate::seal::Sealer;

/// What the token is sealed for: no other sealed value opens as one.
const CONTEXT: &str = "unsubscribe";

pub(super) fn token(sealer: &Sealer, project: &str, address: &str) -> Option<String> {
    match sealer.seal(CONTEXT, &format!("{project}\n{address}")) {
        Ok(token) => Some(token),
        Err(error) => {
            tracing::error!(error = %error, "a mail goes without a link to unsubscribe");
            None
        }
    }
}

pub(super) fn read(sealer: &Sealer, token: &str) -> Option<(String, String)> {
    let opened = sealer.open(CONTEXT, token).ok()?;
    let (project, address) = opened.split_once('\n')?;
    Some((project.to_owned(), address.to_owned()))
}
