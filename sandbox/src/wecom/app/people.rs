//! Whom a message goes to.

use serde_json::Value;

use super::WecomApp;
use crate::answer::Refusal;

const USERS: usize = 1000;
const GROUPS: usize = 100;

/// What a message's three lists come to.
#[derive(Default)]
pub(super) struct People {
    pub(super) reached: Vec<String>,
    pub(super) invalid_users: Vec<String>,
    pub(super) invalid_parties: Vec<String>,
    pub(super) invalid_tags: Vec<String>,
    pub(super) unlicensed: Vec<String>,
}

impl People {
    pub(super) fn of(message: &Value, app: &WecomApp) -> Result<People, Refusal> {
        let (users, parties, tags) =
            (listed(message, "touser")?, listed(message, "toparty")?, listed(message, "totag")?);
        if users.is_empty() && parties.is_empty() && tags.is_empty() {
            return Err(Refusal::new(82001, "user & party & tag all empty"));
        }
        if users == ["@all"] {
            return Ok(People { reached: vec!["@all".to_owned()], ..People::default() });
        }
        if users.len() > USERS {
            return Err(Refusal::new(40032, "invalid userid list size, max 1000"));
        }
        if parties.len() > GROUPS {
            return Err(Refusal::new(82002, "party list size exceeds 100"));
        }
        if tags.len() > GROUPS {
            return Err(Refusal::new(82003, "tag list size exceeds 100"));
        }
        let mut people = People::default();
        for user in users {
            // Ids are the same whatever their case, and come back in lower case.
            let lower = user.to_lowercase();
            let among = |list: &[String]| list.iter().any(|known| known.to_lowercase() == lower);
            if among(&app.unlicensed) {
                people.unlicensed.push(lower);
            } else if is_user(user) && app.users.as_deref().is_none_or(among) {
                people.reached.push(user.to_owned());
            } else {
                people.invalid_users.push(lower);
            }
        }
        let groups = [
            (parties, &app.departments, "party", &mut people.invalid_parties),
            (tags, &app.tags, "tag", &mut people.invalid_tags),
        ];
        for (ids, known, word, invalid) in groups {
            for id in ids {
                let number = id.parse::<u64>().ok();
                if number.is_some_and(|n| known.as_ref().is_none_or(|known| known.contains(&n))) {
                    people.reached.push(format!("{word}:{id}"));
                } else {
                    invalid.push(id.to_owned());
                }
            }
        }
        if people.reached.is_empty() && people.unlicensed.is_empty() {
            return Err(Refusal::new(81013, "user & party & tag all invalid"));
        }
        Ok(people)
    }
}

/// An id is 1 to 64 letters, digits and some signs.
fn is_user(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'))
}

fn listed<'m>(message: &'m Value, name: &str) -> Result<Vec<&'m str>, Refusal> {
    match message.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.split('|').filter(|one| !one.is_empty()).collect()),
        // The code only names the consequence: nobody is left to write to.
        Some(_) => Err(Refusal::wrong_type(82001, name)),
    }
}
