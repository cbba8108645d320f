//! People who are written to by name, and groups of them.

use serde::{Deserialize, Serialize};

use super::message::Addresses;
use crate::time::Timestamp;

/// A part of every day in which somebody is not to be disturbed, by the clock on their wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When they begin, `22:00`.
    pub from: String,
    /// When they end, `08:00`; before `from` it is on the next day.
    pub to: String,
}

/// A person with addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactDoc {
    /// What people call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where they can be reached.
    #[serde(flatten)]
    pub addresses: Addresses,
    /// The language they read, `zh-CN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The IANA name of the time zone they live in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// When they are not to be disturbed, in their time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The categories of templates they do not want; [`EVERY_CATEGORY`] stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opt_outs: Vec<String>,
    /// When the contact was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The opt-out that stands for every category.
pub const EVERY_CATEGORY: &str = "*";

impl ContactDoc {
    /// Whether they do not want what belongs to the category. What belongs to none is not asked about.
    pub fn opted_out_of(&self, category: Option<&str>) -> bool {
        category.is_some_and(|c| self.opt_outs.iter().any(|o| o == c || o == EVERY_CATEGORY))
    }
}

/// A group of contacts and of other groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDoc {
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Ids of contacts, and names of groups with `@` in front.
    pub members: Vec<String>,
    /// When the group was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opt_out_is_of_a_category() {
        let with = |opt_outs: &[&str]| ContactDoc {
            opt_outs: opt_outs.iter().map(|o| (*o).to_owned()).collect(),
            ..ContactDoc::default()
        };
        assert!(with(&["news"]).opted_out_of(Some("news")));
        assert!(!with(&["news"]).opted_out_of(Some("alerts")));
        assert!(with(&["*"]).opted_out_of(Some("alerts")));
        assert!(!with(&["*"]).opted_out_of(None), "a one-time password belongs to no category");
    }
}
