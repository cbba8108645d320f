//! Tokens and secrets of DingTalk robots.

use mc_content::FieldError;
use mc_core::Secret;
use serde::Deserialize;

use crate::dingtalk::BASE_URL;
use crate::fields::{Fields, secret};
use crate::registry::Setup;

/// One robot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Robot {
    pub(super) access_token: Secret,
    /// `SEC…`, if the robot's security setting is "sign"; the others are keywords and addresses.
    #[serde(default)]
    pub(super) secret: Secret,
}

pub(super) struct Config {
    pub(super) base_url: String,
    /// At least one.
    pub(super) robots: Vec<Robot>,
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut problems = Fields::new("/settings", setup.settings).finish();
    let token = secret(setup.secrets, "access_token");
    let signing = secret(setup.secrets, "secret");
    let mut robots = Vec::new();
    match (token, secret(setup.secrets, "robots")) {
        (None, None) => problems.push(FieldError::new(
            "/secrets/access_token",
            "is required: what follows access_token= in the robot's webhook address; several robots go into robots",
        )),
        (_, Some(_)) if token.is_some() || signing.is_some() => {
            problems.push(FieldError::new("/secrets/robots", "give either robots or access_token and secret"));
        }
        (Some(token), _) => {
            robots.push(Robot { access_token: token.clone(), secret: signing.cloned().unwrap_or_default() });
            check(&robots[0], "/secrets/access_token", &mut problems);
        }
        (None, Some(list)) => match serde_json::from_str::<Vec<Robot>>(list.expose()) {
            Ok(list) if !list.is_empty() => {
                for (at, robot) in list.into_iter().enumerate() {
                    check(&robot, &format!("/secrets/robots/{at}/access_token"), &mut problems);
                    robots.push(robot);
                }
            }
            // The parser's words could repeat a token.
            _ => problems.push(FieldError::new(
                "/secrets/robots",
                "is a list like [{\"access_token\": \"…\", \"secret\": \"SEC…\"}]",
            )),
        },
    }
    let base_url = setup.base_url.unwrap_or(BASE_URL).trim_end_matches('/').to_owned();
    if problems.is_empty() { Ok(Config { base_url, robots }) } else { Err(problems) }
}

fn check(robot: &Robot, pointer: &str, problems: &mut Vec<FieldError>) {
    let token = robot.access_token.expose();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        problems.push(FieldError::new(
            pointer,
            "is only what follows access_token= in the robot's webhook address",
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn try_read(secrets: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        testing::try_read(read, &json!({}), secrets, None)
    }

    #[test]
    fn one_robot_or_a_pool() {
        let config = try_read(&[("access_token", "t1"), ("secret", "SEC1")]).ok().unwrap();
        assert_eq!((config.robots.len(), config.robots[0].secret.expose()), (1, "SEC1"));
        let pool = r#"[{"access_token":"t1","secret":"SEC1"},{"access_token":"t2"}]"#;
        assert_eq!(try_read(&[("robots", pool)]).ok().unwrap().robots.len(), 2);
    }

    #[test]
    fn every_problem_has_its_place() {
        let cases: [(&[(&str, &str)], &str); 5] = [
            (&[], "/secrets/access_token"),
            (&[("secret", "SEC1")], "/secrets/access_token"),
            (&[("access_token", "https://oapi.dingtalk.com/robot/send")], "/secrets/access_token"),
            (&[("robots", r#"["t1"]"#)], "/secrets/robots"),
            (&[("robots", r#"[{"access_token":"t1"}]"#), ("secret", "SEC1")], "/secrets/robots"),
        ];
        for (secrets, expected) in cases {
            assert_eq!(try_read(secrets).err().unwrap(), [expected], "{secrets:?}");
        }
    }
}
