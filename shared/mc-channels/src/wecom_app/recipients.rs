//! Whom a push goes to: users, departments, tags, or everybody.

use mc_core::model::{AddressKind, Recipient};
use mc_core::ports::RecipientFailure;
use serde_json::Value;

/// Departments and tags that one call takes each.
const GROUPS: usize = 100;

/// What an address is, told apart by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address<'a> {
    /// `zhangsan`.
    User(&'a str),
    /// `party:2`.
    Party(&'a str),
    /// `tag:3`.
    Tag(&'a str),
    /// `@all`: everybody in the app's visible range.
    Everybody,
}

impl<'a> Address<'a> {
    fn of(address: &'a str) -> Self {
        match address.split_once(':') {
            Some(("party", id)) => Address::Party(id),
            Some(("tag", id)) => Address::Tag(id),
            _ if address == "@all" => Address::Everybody,
            _ => Address::User(address),
        }
    }
}

/// The recipients of one push, as WeCom's three lists.
pub(super) struct Lists<'a> {
    users: Vec<(usize, &'a str)>,
    parties: Vec<(usize, &'a str)>,
    tags: Vec<(usize, &'a str)>,
    everybody: bool,
    /// Those who fit into no list.
    refused: Vec<RecipientFailure>,
}

impl<'a> Lists<'a> {
    pub(super) fn of(to: &'a [Recipient]) -> Self {
        let mut lists = Self {
            users: Vec::new(),
            parties: Vec::new(),
            tags: Vec::new(),
            everybody: false,
            refused: Vec::new(),
        };
        for (index, recipient) in to.iter().enumerate() {
            let address = recipient.addresses.get(AddressKind::Wecom).unwrap_or_default();
            let refuse = |code: &str, text: &str| RecipientFailure {
                index,
                code: code.to_owned(),
                text: text.to_owned(),
            };
            match Address::of(address) {
                Address::User("") => {
                    lists.refused.push(refuse("no_address", "the recipient has no WeCom address"));
                }
                Address::User(id) => lists.users.push((index, id)),
                Address::Party(_) if lists.parties.len() == GROUPS => {
                    let text = "a message goes to 100 departments at most; send it to the others again";
                    lists.refused.push(refuse("82002", text));
                }
                Address::Party(id) => lists.parties.push((index, id)),
                Address::Tag(_) if lists.tags.len() == GROUPS => {
                    let text = "a message goes to 100 tags at most; send it to the others again";
                    lists.refused.push(refuse("82003", text));
                }
                Address::Tag(id) => lists.tags.push((index, id)),
                Address::Everybody => lists.everybody = true,
            }
        }
        lists
    }

    /// Whether there is nobody to write to.
    pub(super) fn are_empty(&self) -> bool {
        !self.everybody && self.users.is_empty() && self.parties.is_empty() && self.tags.is_empty()
    }

    /// Puts the lists into a message. Everybody includes all others, and WeCom wants it alone.
    pub(super) fn write_into(&self, message: &mut Value) {
        if self.everybody {
            message["touser"] = "@all".into();
            return;
        }
        for (name, list) in [("touser", &self.users), ("toparty", &self.parties), ("totag", &self.tags)] {
            if !list.is_empty() {
                let ids: Vec<&str> = list.iter().map(|(_, id)| *id).collect();
                message[name] = ids.join("|").into();
            }
        }
    }

    /// Those whom the message did not reach, though it was accepted for the others.
    pub(super) fn refused(self, answer: &Value) -> Vec<RecipientFailure> {
        let mut refused = self.refused;
        for (name, list, text) in [
            (
                "invaliduser",
                &self.users,
                "WeCom does not know this user, or the app's visible range does not include it",
            ),
            (
                "unlicenseduser",
                &self.users,
                "this user has no licence for WeCom's interfaces (接口许可), or it has expired",
            ),
            (
                "invalidparty",
                &self.parties,
                "WeCom does not know this department, or the app's visible range does not include it",
            ),
            (
                "invalidtag",
                &self.tags,
                "WeCom does not know this tag, or the app's visible range does not include it",
            ),
        ] {
            let named = named(answer.get(name));
            let is_named = |id: &str| named.iter().any(|named| named.eq_ignore_ascii_case(id));
            refused.extend(list.iter().filter(|(_, id)| !self.everybody && is_named(id)).map(
                |(index, _)| RecipientFailure { index: *index, code: name.to_owned(), text: text.to_owned() },
            ));
        }
        refused.sort_by_key(|failure| failure.index);
        refused.dedup_by_key(|failure| failure.index);
        refused
    }
}

/// The ids in a list of an answer: joined by `|` when sending, an array elsewhere. They come back in lower case.
fn named(list: Option<&Value>) -> Vec<&str> {
    match list {
        Some(Value::String(ids)) => ids.split('|').filter(|id| !id.is_empty()).collect(),
        Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use mc_core::model::Addresses;
    use serde_json::json;

    use super::*;

    fn people(addresses: &[&str]) -> Vec<Recipient> {
        let one = |address: &&str| {
            let addresses = Addresses { wecom: Some((*address).to_owned()), ..Addresses::default() };
            Recipient { addresses, ..Recipient::default() }
        };
        addresses.iter().map(one).collect()
    }

    fn message(to: &[Recipient]) -> Value {
        let mut message = json!({});
        Lists::of(to).write_into(&mut message);
        message
    }

    fn codes(failures: &[RecipientFailure]) -> Vec<(usize, &str)> {
        failures.iter().map(|failure| (failure.index, failure.code.as_str())).collect()
    }

    #[test]
    fn users_departments_and_tags_go_into_lists_of_their_own() {
        let to = people(&["zhangsan", "party:2", "LiSi", "tag:3", "party:4"]);
        assert_eq!(message(&to), json!({"touser": "zhangsan|LiSi", "toparty": "2|4", "totag": "3"}));
        assert_eq!(message(&people(&["zhangsan", "@all", "party:2"])), json!({"touser": "@all"}));
    }

    #[test]
    fn whom_an_answer_names_fails_alone() {
        let to = people(&["zhangsan", "LiSi", "Wang.Wu", "party:2", "tag:3", "tag:4"]);
        let answer = json!({"invaliduser": "lisi", "unlicenseduser": "wang.wu", "invalidparty": "2", "invalidtag": ["4"]});
        let refused = Lists::of(&to).refused(&answer);
        assert_eq!(
            codes(&refused),
            [(1, "invaliduser"), (2, "unlicenseduser"), (3, "invalidparty"), (5, "invalidtag")]
        );
        assert_eq!(Lists::of(&to).refused(&json!({"invaliduser": ""})), []);
        let all = people(&["zhangsan", "@all"]);
        assert_eq!(Lists::of(&all).refused(&json!({"invaliduser": "zhangsan"})), [], "everybody has it");
    }

    #[test]
    fn the_hundred_and_first_department_is_refused_and_not_forgotten() {
        let ids: Vec<String> = (1..=101).flat_map(|n| [format!("party:{n}"), format!("tag:{n}")]).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let to = people(&ids);
        assert_eq!(message(&to)["toparty"].as_str().unwrap().split('|').count(), 100);
        assert_eq!(codes(&Lists::of(&to).refused(&json!({}))), [(200, "82002"), (201, "82003")]);
        let nobody = [Recipient::default()];
        assert!(Lists::of(&nobody).are_empty());
        assert_eq!(codes(&Lists::of(&nobody).refused(&json!({}))), [(0, "no_address")]);
    }
}
