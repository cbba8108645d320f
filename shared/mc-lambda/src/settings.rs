//! What the environment says besides what the adapters read themselves.

use std::time::Duration;

use mc_core::{Error, ErrorKind, Result};

/// The names of the environment variables.
pub mod names {
    /// The stack's name: a dimension of every metric, and what an event may name to mean this stack alone.
    pub const STACK: &str = "MESSAGE_CENTER_STACK";
    /// The secret that holds the key ring.
    pub const KEY_RING: &str = "MESSAGE_CENTER_KEY_RING";
    /// How many days messages are kept.
    pub const RETENTION_DAYS: &str = "MESSAGE_CENTER_RETENTION_DAYS";
    /// Private networks that users' addresses may be in.
    pub const EGRESS_ALLOW: &str = "MESSAGE_CENTER_EGRESS_ALLOW";
    /// Where people reach this center, like `https://mc.example.com`.
    pub const PUBLIC_URL: &str = "MESSAGE_CENTER_PUBLIC_URL";
    /// How much goes into a log line.
    pub const LOG_LEVEL: &str = "MESSAGE_CENTER_LOG_LEVEL";
    /// Whether connections are opened ahead of the first event.
    pub const WARM_UP: &str = "MESSAGE_CENTER_WARM_UP";
    /// The projects of events, by source: `shop=shop, *=default`.
    pub const EVENT_PROJECTS: &str = "MESSAGE_CENTER_EVENT_PROJECTS";
    /// The secret that holds the first password.
    pub const OPERATOR_SECRET: &str = "MESSAGE_CENTER_OPERATOR_SECRET";
    /// The secret that holds the first access key.
    pub const ACCESS_KEY_SECRET: &str = "MESSAGE_CENTER_ACCESS_KEY_SECRET";
}

/// What a function is told by its environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// [`names::STACK`]; `message-center` where it is not set.
    pub stack: String,
    /// [`names::KEY_RING`].
    pub key_ring: String,
    /// [`names::RETENTION_DAYS`] as a duration.
    pub retention: Duration,
    /// [`names::EGRESS_ALLOW`].
    pub egress_allow: String,
    /// [`names::PUBLIC_URL`].
    pub public_url: Option<String>,
    /// [`names::LOG_LEVEL`].
    pub log_level: tracing::Level,
    /// [`names::WARM_UP`].
    pub warm_up: bool,
    /// [`names::EVENT_PROJECTS`].
    pub event_projects: EventProjects,
    /// [`names::OPERATOR_SECRET`].
    pub operator_secret: Option<String>,
    /// [`names::ACCESS_KEY_SECRET`].
    pub access_key_secret: Option<String>,
}

impl Settings {
    /// Reads the environment.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables from elsewhere. An empty value counts as none.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let find = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let wrong = |name: &'static str, wanted: &'static str| {
            Error::new(ErrorKind::Internal, "a variable of the environment cannot be used; correct it")
                .with("variable", name)
                .with("wanted", wanted)
        };
        let days: u64 = match find(names::RETENTION_DAYS) {
            Some(days) => days.parse().map_err(|_| wrong(names::RETENTION_DAYS, "a number of days"))?,
            None => 30,
        };
        let log_level = match find(names::LOG_LEVEL) {
            Some(level) => {
                level.parse().map_err(|_| wrong(names::LOG_LEVEL, "error, warn, info or debug"))?
            }
            None => tracing::Level::INFO,
        };
        Ok(Self {
            stack: find(names::STACK).unwrap_or_else(|| "message-center".to_owned()),
            key_ring: find(names::KEY_RING).ok_or_else(|| wrong(names::KEY_RING, "the name of a secret"))?,
            retention: Duration::from_secs(days * 86_400),
            egress_allow: find(names::EGRESS_ALLOW).unwrap_or_default(),
            public_url: find(names::PUBLIC_URL),
            log_level,
            warm_up: find(names::WARM_UP).as_deref() == Some("true"),
            event_projects: find(names::EVENT_PROJECTS).map_or_else(
                || Ok(EventProjects::default()),
                |text| {
                    EventProjects::parse(&text)
                        .ok_or_else(|| wrong(names::EVENT_PROJECTS, "shop=shop, *=default"))
                },
            )?,
            operator_secret: find(names::OPERATOR_SECRET),
            access_key_secret: find(names::ACCESS_KEY_SECRET),
        })
    }
}

/// In which project an event becomes a message, by its source. `*` stands for all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventProjects(Vec<(String, String)>);

impl EventProjects {
    fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(',').map(|pair| {
            let (source, project) = pair.split_once('=')?;
            let (source, project) = (source.trim(), project.trim());
            (!source.is_empty() && mc_core::id::is_name(project))
                .then(|| (source.to_owned(), project.to_owned()))
        });
        pairs.collect::<Option<_>>().map(Self)
    }

    /// The project of a source, if it has one.
    pub fn of(&self, source: &str) -> Option<&str> {
        let named = |wanted: &str| self.0.iter().find(|(source, _)| source == wanted);
        named(source).or_else(|| named("*")).map(|(_, project)| project.as_str())
    }
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
    fn the_key_ring_is_all_that_has_to_be_named() {
        let settings = read(&[(names::KEY_RING, "ring"), (names::EGRESS_ALLOW, "")]).unwrap();
        assert_eq!((settings.stack.as_str(), settings.retention.as_secs()), ("message-center", 30 * 86_400));
        assert_eq!((settings.egress_allow.as_str(), settings.warm_up), ("", false));
        assert!(read(&[]).unwrap_err().to_string().contains(names::KEY_RING));
    }

    #[test]
    fn a_wrong_value_is_named() {
        let wrong = [
            (names::RETENTION_DAYS, "a month"),
            (names::LOG_LEVEL, "loud"),
            (names::EVENT_PROJECTS, "shop"),
            (names::EVENT_PROJECTS, "*=not a name"),
        ];
        for (name, value) in wrong {
            let error = read(&[(names::KEY_RING, "ring"), (name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn an_event_finds_its_project() {
        let projects = EventProjects::parse("aws.health=ops, *=default").unwrap();
        assert_eq!((projects.of("aws.health"), projects.of("shop")), (Some("ops"), Some("default")));
        assert_eq!(EventProjects::default().of("shop"), None);
    }
}
