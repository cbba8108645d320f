//! Configuration: the default file, then the user's, then the environment, then flags. A wrong key fails by name.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

/// Every key with its default and what it means.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// What all of our environment variables begin with.
const PREFIX: &str = "MESSAGE_CENTER_";

/// Variables that are not keys of the configuration.
const OTHER_VARIABLES: [&str; 5] = ["ADMIN_PASSWORD", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "CONFIG", "URL"];

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub log: Log,
    pub egress: Egress,
    pub delivery: Delivery,
    pub backup: Backup,
}

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub https: bool,
    pub trusted_proxies: String,
    pub public_url: String,
    pub data_dir: PathBuf,
    pub sandbox: bool,
    pub sandbox_smtp: SocketAddr,
    pub max_connections: usize,
    pub stop_seconds: u64,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Human,
    Json,
}

/// `[egress]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    pub allow: String,
}

/// `[delivery]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    pub concurrency: usize,
    pub give_up_hours: u64,
    pub retention_days: u64,
}

/// `[backup]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    pub folder: PathBuf,
    pub every_seconds: u64,
    pub keep: usize,
}

/// What is wrong with the configuration, and where.
#[derive(Debug)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Reads the configuration from a file, if one is named, and from variables.
pub fn load(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let defaults: Table =
        DEFAULTS.parse().map_err(|e| ConfigError(format!("the default configuration: {e}")))?;
    let mut merged = defaults.clone();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError(format!("{} cannot be read: {e}", path.display())))?;
        let own: Table = text.parse().map_err(|e| ConfigError(format!("{}: {e}", path.display())))?;
        merge_file(&mut merged, own, &path.display().to_string())?;
    }
    for (name, value) in variables {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            merge_variable(&mut merged, &name, rest, &value)?;
        }
    }
    Value::Table(merged).try_into().map_err(|e| ConfigError(format!("the configuration is wrong: {e}")))
}

fn merge_file(merged: &mut Table, own: Table, file: &str) -> Result<(), ConfigError> {
    for (section, values) in own {
        let Some(Value::Table(known)) = merged.get_mut(&section) else {
            let sections: Vec<&str> = merged.keys().map(String::as_str).collect();
            return Err(ConfigError(format!(
                "{file}: there is no section [{section}]; there are {}",
                sections.join(", ")
            )));
        };
        let Value::Table(values) = values else {
            return Err(ConfigError(format!("{file}: {section} is a section; write [{section}]")));
        };
        for (key, value) in values {
            let Some(default) = known.get(&key) else {
                let keys: Vec<&str> = known.keys().map(String::as_str).collect();
                return Err(ConfigError(format!(
                    "{file}: there is no key {key} in [{section}]; there are {}",
                    keys.join(", ")
                )));
            };
            if default.type_str() != value.type_str() {
                let (wanted, given) = (default.type_str(), value.type_str());
                return Err(ConfigError(format!("{file}: [{section}] {key} is a {wanted}, not a {given}")));
            }
            known.insert(key, value);
        }
    }
    Ok(())
}

fn merge_variable(merged: &mut Table, name: &str, rest: &str, text: &str) -> Result<(), ConfigError> {
    if OTHER_VARIABLES.contains(&rest) {
        return Ok(());
    }
    let unknown =
        || ConfigError(format!("the environment variable {name} means nothing here; see --print-config"));
    let (section, key) = rest.split_once('_').ok_or_else(unknown)?;
    let (section, key) = (section.to_lowercase(), key.to_lowercase());
    let Some(Value::Table(known)) = merged.get_mut(&section) else { return Err(unknown()) };
    let Some(default) = known.get(&key) else { return Err(unknown()) };
    let wrong = |wanted: &str| ConfigError(format!("the environment variable {name} is to be {wanted}"));
    let value = match default {
        Value::Boolean(_) => Value::Boolean(text.parse().map_err(|_| wrong("true or false"))?),
        Value::Integer(_) => Value::Integer(text.parse().map_err(|_| wrong("a whole number"))?),
        _ => Value::String(text.to_owned()),
    };
    known.insert(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>().into_iter()
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        load(None, variables(pairs)).unwrap_err().to_string()
    }

    #[test]
    fn the_environment_wins_over_the_default() {
        let config = load(
            None,
            variables(&[("MESSAGE_CENTER_LOG_LEVEL", "debug"), ("MESSAGE_CENTER_EGRESS_ALLOW", "")]),
        )
        .unwrap();
        assert_eq!(config.log.level, "debug");
        assert_eq!(config.egress.allow, "");
        assert_eq!(config.delivery.concurrency, 640);
    }

    #[test]
    fn a_wrong_variable_is_named() {
        assert!(error(&[("MESSAGE_CENTER_LOG_LEVLE", "x")]).contains("MESSAGE_CENTER_LOG_LEVLE"));
        assert!(error(&[("MESSAGE_CENTER_SERVER_SANDBOX", "yes")]).contains("MESSAGE_CENTER_SERVER_SANDBOX"));
    }

    #[test]
    fn a_wrong_key_in_a_file_is_named() {
        let mut merged: Table = DEFAULTS.parse().unwrap();
        let mut wrong =
            |text: &str| merge_file(&mut merged, text.parse().unwrap(), "my.toml").unwrap_err().to_string();
        assert!(wrong("[server]\nlisten_on = \"x\"").contains("listen_on"));
        assert!(wrong("[srever]\nlisten = \"x\"").contains("[srever]"));
        assert!(wrong("[delivery]\nconcurrency = \"many\"").contains("concurrency"));
    }
}
