//! Whom a message goes to: people, departments, everybody.

use mc_core::model::{AddressKind, Recipient};
use mc_core::ports::RecipientFailure;
use serde_json::{Value, json};

/// People that one message takes.
pub(super) const USERS: usize = 100;
/// Departments that one message takes.
const DEPARTMENTS: usize = 20;

/// Who an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To<'r> {
    User(&'r str),
    Department(&'r str),
    Everybody,
    Nobody,
}

impl<'r> To<'r> {
    /// `@all`, `dept:123`, or else a userid.
    pub(super) fn of(recipient: &'r Recipient) -> Self {
        match recipient.addresses.get(AddressKind::Dingtalk) {
            None | Some("") => To::Nobody,
            Some("@all") => To::Everybody,
            Some(address) => match address.strip_prefix("dept:") {
                Some(id) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) => To::Department(id),
                _ => To::User(address),
            },
        }
    }
}

/// Puts the recipients into a message; answers those that it cannot take. With `@all` everybody gets it anyway.
pub(super) fn address(body: &mut Value, to: &[Recipient]) -> Vec<RecipientFailure> {
    if to.iter().any(|one| To::of(one) == To::Everybody) {
        body["to_all_user"] = true.into();
        return Vec::new();
    }
    let (mut users, mut departments, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (index, recipient) in to.iter().enumerate() {
        match To::of(recipient) {
            // A comma would make two of it.
            To::User(id) if !id.contains(',') && users.len() < USERS => users.push(id),
            To::Department(id) if departments.len() < DEPARTMENTS => departments.push(id),
            To::Department(_) => refused.push(RecipientFailure {
                index,
                code: "too_many_departments".to_owned(),
                text: format!("one message takes {DEPARTMENTS} departments; send the others another one"),
            }),
            To::User(_) | To::Nobody | To::Everybody => refused.push(RecipientFailure {
                index,
                code: "no_address".to_owned(),
                text: "this is no userid of DingTalk".to_owned(),
            }),
        }
    }
    for (name, list) in [("userid_list", users), ("dept_id_list", departments)] {
        if !list.is_empty() {
            body[name] = json!(list.join(","));
        }
    }
    refused
}

#[cfg(test)]
pub(super) mod tests {
    use mc_core::model::Addresses;

    use super::*;

    pub(in crate::dingtalk_app) fn somebody(id: &str) -> Recipient {
        let addresses = Addresses { dingtalk: Some(id.to_owned()), ..Addresses::default() };
        Recipient { addresses, ..Recipient::default() }
    }

    #[test]
    fn lists_are_texts_with_commas() {
        let mut body = json!({"agent_id": 7});
        let to = ["zhangsan", "dept:1", "manager4220", "dept:22", "dept:x", "", "a,b"].map(somebody);
        let refused: Vec<usize> = address(&mut body, &to).iter().map(|failure| failure.index).collect();
        let expected =
            json!({"agent_id": 7, "userid_list": "zhangsan,manager4220,dept:x", "dept_id_list": "1,22"});
        assert_eq!((body, refused), (expected, vec![5, 6]));
    }

    #[test]
    fn everybody_is_everybody() {
        let mut body = json!({});
        assert!(address(&mut body, &["zhangsan", "@all"].map(somebody)).is_empty());
        assert_eq!(body, json!({"to_all_user": true}));
    }

    #[test]
    fn the_21st_department_is_named() {
        let to: Vec<Recipient> = (1..=21).map(|id| somebody(&format!("dept:{id}"))).collect();
        let refused = address(&mut json!({}), &to);
        assert_eq!(
            (refused.len(), refused[0].index, refused[0].code.as_str()),
            (1, 20, "too_many_departments")
        );
    }
}
