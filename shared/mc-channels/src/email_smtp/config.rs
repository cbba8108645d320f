//! Settings and password of an SMTP account.

use lettre::transport::smtp::authentication::Credentials;
use mc_content::FieldError;
use mc_core::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Host;

use crate::fields::{Fields, secret};
use crate::http::Proxy;
use crate::mail::Sender;
use crate::registry::Setup;

/// Connections that a channel keeps to its server, unless it says otherwise.
pub(super) const DEFAULT_CONNECTIONS: usize = 4;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Security {
    /// TLS from the first byte, usually on port 465.
    #[default]
    Tls,
    /// TLS after `STARTTLS`, never without, usually on port 587.
    Starttls,
    /// Nothing; for servers inside a trusted network.
    None,
}

pub(super) struct Config {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) sender: Sender,
    pub(super) credentials: Option<Credentials>,
    /// Kept only to take it out of what a server repeats.
    pub(super) password: Secret,
    pub(super) connections: usize,
    pub(super) proxy: Option<Proxy>,
    pub(super) tls_ca: Option<String>,
}

/// The server as an address, as far as the settings can be read.
pub(super) fn urls(settings: &Map<String, Value>) -> Vec<(String, String)> {
    let Some(host) = settings.get("host").and_then(Value::as_str) else { return Vec::new() };
    let port = settings.get("port").and_then(Value::as_u64).unwrap_or(465);
    let host =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    vec![("/settings/host".to_owned(), format!("smtp://{host}:{port}"))]
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let host = fields.required("host", "the SMTP server, like smtp.example.com");
    if !host.is_empty() && !is_host(&host) {
        fields.problem("host", "is a name or an address alone, like smtp.example.com");
    }
    let security: Security = fields.or_default("security");
    let port = fields.optional::<u16>("port").unwrap_or(match security {
        Security::Tls => 465,
        Security::Starttls => 587,
        Security::None => 25,
    });
    let sender = Sender::read(&mut fields);
    let username = fields.optional::<String>("username").filter(|name| !name.is_empty());
    let connections = fields.optional::<usize>("max_connections").unwrap_or(DEFAULT_CONNECTIONS);
    if !(1..=64).contains(&connections) {
        fields.problem("max_connections", "is a number from 1 to 64");
    }
    let mut problems = fields.finish();
    let password = secret(setup.secrets, "password").cloned();
    if username.is_some() && password.is_none() {
        problems.push(FieldError::new(
            "/secrets/password",
            "is required with a username; many providers want an app password or 授权码",
        ));
    }
    let Some(sender) = sender.filter(|_| problems.is_empty()) else { return Err(problems) };
    // What is wrong with the proxy is told for all kinds in one place.
    let proxy = setup.route.proxy.as_ref().map(|proxy| Proxy::parse(proxy.expose())).transpose();
    let Ok(proxy) = proxy else { return Err(problems) };
    let credentials = password.as_ref().map(|password| {
        let username = username.unwrap_or_else(|| sender.from.email.to_string());
        Credentials::new(username, password.expose().to_owned())
    });
    Ok(Config {
        host,
        port,
        security,
        sender,
        credentials,
        password: password.unwrap_or_default(),
        connections,
        proxy,
        tls_ca: setup.route.tls_ca.clone(),
    })
}

fn is_host(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok() || Host::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn try_read(settings: Value, secrets: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        testing::try_read(read, &settings, secrets, None)
    }

    #[test]
    fn ports_follow_security_and_the_account_follows_the_sender() {
        for (security, port) in [("tls", 465), ("starttls", 587), ("none", 25)] {
            let settings =
                json!({"host": "smtp.example.com", "security": security, "from": "告警 <a@example.com>"});
            let config = try_read(settings, &[("password", "p")]).ok().unwrap();
            assert_eq!(config.port, port);
            assert!(config.credentials == Some(Credentials::new("a@example.com".into(), "p".into())));
            assert_eq!(config.sender.from.name.as_deref(), Some("告警"));
        }
    }

    #[test]
    fn every_problem_has_its_place() {
        let cases = [
            (json!({}), vec!["/settings/host", "/settings/from"]),
            (json!({"host": "smtp://h", "from": "a@b.c"}), vec!["/settings/host"]),
            (json!({"host": "h", "from": "a@b.c\r\nBcc: x@y.z"}), vec!["/settings/from"]),
            (json!({"host": "h", "from": "nobody", "port": 70000}), vec!["/settings/port", "/settings/from"]),
            (json!({"host": "h", "from": "a@b.c", "username": "u"}), vec!["/secrets/password"]),
        ];
        for (settings, expected) in cases {
            assert_eq!(try_read(settings.clone(), &[]).err().unwrap(), expected, "{settings}");
        }
    }
}
