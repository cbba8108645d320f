//! Access keys' secrets, opened once and kept for as long as the sealed text stays the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mc_core::model::AccessKey;
use mc_core::{Error, ErrorKind, Result, Secret};
use mc_pipeline::repo::AccessKeys;
use mc_pipeline::seal::Sealer;

use super::source::Networks;

/// At most this many secrets are kept.
const CAPACITY: usize = 1024;

/// An access key as requests need it.
pub struct OpenedKey {
    /// The key as it is stored.
    pub key: Arc<AccessKey>,
    /// Its secret.
    pub secret: Secret,
    /// Its project.
    pub project: Arc<str>,
    /// How logs and messages call it.
    pub actor: Arc<str>,
    /// The networks it may be used from; everywhere if there are none.
    pub networks: Networks,
    /// The channels it may send through; all if there are none.
    pub channels: Arc<[String]>,
}

/// A bounded cache of opened keys.
#[derive(Default)]
pub struct OpenedKeys {
    keys: Mutex<HashMap<String, Arc<OpenedKey>>>,
}

impl OpenedKeys {
    /// The key with its secret opened.
    pub fn open(&self, key: Arc<AccessKey>, sealer: &Sealer) -> Result<Arc<OpenedKey>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = keys.get(&key.access_key_id)
            && (Arc::ptr_eq(&found.key, &key) || found.key == key)
        {
            return Ok(found.clone());
        }
        let secret =
            sealer.open(&AccessKeys::seal_context(&key.access_key_id), &key.secret).map_err(|e| {
                Error::new(ErrorKind::Sealed, "an access key's secret cannot be opened").because(e)
            })?;
        let networks = Networks::parse(key.allowed_cidrs.iter().map(String::as_str)).map_err(|entry| {
            Error::new(ErrorKind::Corrupt, "an access key has a network that is none").with("network", entry)
        })?;
        if keys.len() >= CAPACITY {
            keys.clear();
        }
        let opened = Arc::new(OpenedKey {
            secret: Secret::new(secret.as_str()),
            project: key.project.as_str().into(),
            actor: format!("key:{}", key.access_key_id).into(),
            networks,
            channels: key.allowed_channels.as_slice().into(),
            key: key.clone(),
        });
        keys.insert(key.access_key_id.clone(), opened.clone());
        Ok(opened)
    }
}
