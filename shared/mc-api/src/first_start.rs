//! The first start of a message center, wherever it runs: its operator, its project, its first access key.

use std::collections::BTreeMap;

use mc_core::model::{Operator, OperatorRole, Role};
use mc_core::{Error, ErrorKind, Result, Secret};
use mc_pipeline::Center;

use crate::auth::issue::{NewAccessKey, issue};
use crate::auth::password;

/// What somebody fixed ahead of the first start; the rest is made up.
#[derive(Default)]
pub struct Chosen {
    /// The password of the operator `admin`.
    pub password: Option<Secret>,
    /// The id of the first access key.
    pub access_key_id: Option<String>,
    /// Its secret.
    pub secret_access_key: Option<Secret>,
}

/// What the first start made. What was made up is known now and never again; a secret that was chosen is not repeated.
pub struct FirstStart {
    /// The password of the operator `admin`, if it was made up.
    pub password: Option<Secret>,
    /// The id of the first access key.
    pub access_key_id: String,
    /// Whether that was chosen.
    pub access_key_id_chosen: bool,
    /// Its secret, if it was made up.
    pub secret_access_key: Option<Secret>,
}

/// Makes the operator `admin`, the project `default` and its first access key, unless there is an operator already.
///
/// The operator comes last: a start that was cut short before that begins again. Two at once make the same thing as
/// long as everything is chosen.
pub async fn first_start(center: &Center, chosen: Chosen) -> Result<Option<FirstStart>> {
    if center.operators.any().await? {
        return Ok(None);
    }
    let access_key_id_chosen = chosen.access_key_id.is_some();
    let (password_chosen, secret_chosen) = (chosen.password.is_some(), chosen.secret_access_key.is_some());
    let password = chosen.password.unwrap_or_else(|| letters(center, 20));
    center.projects.ensure("default").await?;
    let (key, secret_access_key) = issue(
        center,
        NewAccessKey {
            access_key_id: chosen.access_key_id,
            secret: chosen.secret_access_key,
            ..NewAccessKey::new("default", "first", Role::Admin)
        },
    )
    .await?;
    let hash = password::hash(&password, &*center.random).map_err(|error| {
        Error::new(ErrorKind::Internal, "the operator's password cannot be hashed").because(error)
    })?;
    let operator = Operator::new(hash, BTreeMap::from([("*".to_owned(), OperatorRole::Admin)]));
    center.operators.put("admin", operator).await?;
    Ok(Some(FirstStart {
        password: (!password_chosen).then_some(password),
        access_key_id: key.access_key_id,
        access_key_id_chosen,
        secret_access_key: (!secret_chosen).then_some(secret_access_key),
    }))
}

/// Random letters and digits that cannot be mistaken for each other.
fn letters(center: &Center, count: usize) -> Secret {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = zeroize::Zeroizing::new(vec![0; count]);
    center.random.fill(&mut bytes);
    Secret::new(bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect::<String>())
}
