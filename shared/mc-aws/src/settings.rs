//! What the environment says: region, credentials, and the names of what the stack has.

use std::fmt;

use mc_core::ports::Family;
use mc_core::{Error, ErrorKind, Result, Secret};

/// The names of the environment variables besides AWS's own.
pub mod names {
    /// The table.
    pub const TABLE: &str = "MESSAGE_CENTER_TABLE";
    /// The queues' URL with `{family}` in place of the family: `https://sqs.…/123456789012/mc-{family}`.
    pub const QUEUE_URL: &str = "MESSAGE_CENTER_QUEUE_URL";
    /// The same of the queues that keep crash loops: `https://sqs.…/123456789012/mc-{family}-dead`.
    pub const DEAD_QUEUE_URL: &str = "MESSAGE_CENTER_DEAD_QUEUE_URL";
    /// The bucket for attachments and for what is too large for the table.
    pub const BUCKET: &str = "MESSAGE_CENTER_BUCKET";
}

/// Where things are, and with whose rights.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`, which temporary credentials come with.
    pub session_token: Option<Secret>,
    /// `AWS_ENDPOINT_URL`: another place than AWS itself, for all services.
    pub endpoint: Option<String>,
    /// [`names::TABLE`].
    pub table: Option<String>,
    /// [`names::QUEUE_URL`].
    pub queue_url: Option<String>,
    /// [`names::DEAD_QUEUE_URL`].
    pub dead_queue_url: Option<String>,
    /// [`names::BUCKET`].
    pub bucket: Option<String>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// Only what every call needs has to be there: a region and credentials. A name is missed when it is needed.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables from elsewhere. An empty value counts as none.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let find = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let need = |name: &'static str| find(name).ok_or_else(|| missing(name));
        let region = find("AWS_REGION").or_else(|| find("AWS_DEFAULT_REGION"));
        Ok(Self {
            region: region.ok_or_else(|| missing("AWS_REGION"))?,
            access_key_id: need("AWS_ACCESS_KEY_ID")?,
            secret_access_key: Secret::new(need("AWS_SECRET_ACCESS_KEY")?),
            session_token: find("AWS_SESSION_TOKEN").map(Secret::new),
            endpoint: find("AWS_ENDPOINT_URL").map(|url| url.trim_end_matches('/').to_owned()),
            table: find(names::TABLE),
            queue_url: find(names::QUEUE_URL),
            dead_queue_url: find(names::DEAD_QUEUE_URL),
            bucket: find(names::BUCKET),
        })
    }
}

/// A URL with the family in it.
#[derive(Clone, Debug)]
pub(crate) struct PerFamily(String);

impl PerFamily {
    pub(crate) fn parse(text: Option<&String>, name: &'static str) -> Result<Self> {
        match text {
            None => Err(missing(name)),
            Some(text) if text.contains("{family}") => Ok(Self(text.clone())),
            Some(_) => Err(Error::new(ErrorKind::Internal, "the URL of the queues has no {family} in it")
                .with("variable", name)),
        }
    }

    pub(crate) fn of(&self, family: Family) -> String {
        self.0.replace("{family}", family.as_str())
    }
}

pub(crate) fn missing(name: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, "a variable is not set in the environment; set it").with("variable", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings> {
        Settings::from_lookup(|name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_missing_variable_is_named() {
        let all = [("AWS_REGION", "r"), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK")];
        assert!(read(&all).is_ok());
        for without in 0..all.len() {
            let some: Vec<_> =
                all.iter().enumerate().filter(|(i, _)| *i != without).map(|(_, pair)| *pair).collect();
            assert!(read(&some).unwrap_err().to_string().contains(all[without].0));
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let all =
            [("AWS_DEFAULT_REGION", "r"), ("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "hush")];
        assert!(!format!("{:?}", read(&all).unwrap()).contains("hush"));
    }

    #[test]
    fn a_queue_url_names_the_family() {
        let url = Some("https://sqs/1/mc-{family}-dead".to_owned());
        let urls = PerFamily::parse(url.as_ref(), names::DEAD_QUEUE_URL).unwrap();
        assert_eq!(urls.of(Family::Email), "https://sqs/1/mc-email-dead");
        let bad = PerFamily::parse(Some(&"https://sqs/1/mc".to_owned()), names::QUEUE_URL).unwrap_err();
        assert!(bad.to_string().contains(names::QUEUE_URL));
    }
}
