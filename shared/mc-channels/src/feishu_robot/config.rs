//! Settings and hooks of Feishu robots.

use mc_content::FieldError;
use mc_core::Secret;
use serde::Deserialize;

use crate::feishu::{BASE_URL, Markdown};
use crate::fields::{Fields, secret};
use crate::registry::Setup;

/// One robot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Robot {
    pub(super) hook_token: Secret,
    /// Set if the robot's security setting is a signature; the others are keywords and addresses.
    #[serde(default)]
    pub(super) secret: Secret,
}

pub(super) struct Config {
    pub(super) markdown: Markdown,
    pub(super) base_url: String,
    /// At least one.
    pub(super) robots: Vec<Robot>,
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let markdown = fields.or_default("markdown");
    let mut problems = fields.finish();
    let token = secret(setup.secrets, "hook_token");
    let signing = secret(setup.secrets, "secret");
    let mut robots = Vec::new();
    match (token, secret(setup.secrets, "robots")) {
        (None, None) => problems.push(FieldError::new(
            "/secrets/hook_token",
            "is required: what follows /hook/ in the robot's webhook address; several robots go into robots",
        )),
        (_, Some(_)) if token.is_some() || signing.is_some() => {
            problems.push(FieldError::new("/secrets/robots", "give either robots or hook_token and secret"));
        }
        (Some(token), _) => {
            robots.push(Robot { hook_token: token.clone(), secret: signing.cloned().unwrap_or_default() });
            check(&robots[0], "/secrets/hook_token", &mut problems);
        }
        (None, Some(list)) => match serde_json::from_str::<Vec<Robot>>(list.expose()) {
            Ok(list) if !list.is_empty() => {
                for (at, robot) in list.into_iter().enumerate() {
                    check(&robot, &format!("/secrets/robots/{at}/hook_token"), &mut problems);
                    robots.push(robot);
                }
            }
            // The parser's words could repeat a token.
            _ => problems.push(FieldError::new(
                "/secrets/robots",
                "is a list like [{\"hook_token\": \"…\", \"secret\": \"…\"}]",
            )),
        },
    }
    let base_url = setup.base_url.unwrap_or(BASE_URL).trim_end_matches('/').to_owned();
    if problems.is_empty() { Ok(Config { markdown, base_url, robots }) } else { Err(problems) }
}

fn check(robot: &Robot, pointer: &str, problems: &mut Vec<FieldError>) {
    let token = robot.hook_token.expose();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        let detail = "is only what follows /hook/ in the robot's webhook address";
        problems.push(FieldError::new(pointer, detail));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    fn try_read(settings: Value, secrets: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        testing::try_read(read, &settings, secrets, None)
    }

    #[test]
    fn one_robot_or_a_pool() {
        let config = try_read(json!({}), &[("hook_token", "t-1"), ("secret", "s")]).ok().unwrap();
        assert_eq!((config.robots.len(), config.markdown), (1, Markdown::Card));
        let pool = r#"[{"hook_token":"t1","secret":"s1"},{"hook_token":"t2"}]"#;
        let config = try_read(json!({"markdown": "post"}), &[("robots", pool)]).ok().unwrap();
        assert_eq!((config.robots.len(), config.markdown), (2, Markdown::Post));
    }

    #[test]
    fn every_problem_has_its_place() {
        type Case<'a> = (Value, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: [Case<'_>; 5] = [
            (
                json!({"markdown": "x", "y": 1}),
                &[],
                &["/settings/markdown", "/settings/y", "/secrets/hook_token"],
            ),
            (
                json!({}),
                &[("hook_token", "https://open.feishu.cn/open-apis/bot/v2/hook/x")],
                &["/secrets/hook_token"],
            ),
            (json!({}), &[("robots", r#"["t1"]"#)], &["/secrets/robots"]),
            (json!({}), &[("robots", r#"[{"hook_token":"a b"}]"#)], &["/secrets/robots/0/hook_token"]),
            (json!({}), &[("robots", r#"[{"hook_token":"t1"}]"#), ("secret", "s")], &["/secrets/robots"]),
        ];
        for (settings, secrets, expected) in cases {
            assert_eq!(try_read(settings.clone(), secrets).err().unwrap(), expected, "{settings}");
        }
    }
}
