//! From the entries of `to` to recipients.

use std::collections::HashSet;

use mc_core::Result;
use mc_core::model::{ContactDoc, Recipient};
use serde_json::{Map, Value, json};

use super::{groups, quiet};
use crate::accept::Refusal;
use crate::accept::address;
use crate::accept::plan::MAX_RECIPIENTS;
use crate::accept::request::To;
use crate::center::Center;

/// Why a recipient is not sent to although it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// Stable, snake_case: `opted_out`.
    pub code: &'static str,
    /// For people.
    pub text: String,
}

/// A recipient, and which entry of `to` named it.
#[derive(Clone, Debug)]
pub struct Named {
    /// Who.
    pub recipient: Recipient,
    /// The place in `to`.
    pub place: usize,
    /// Whether that entry gave it values of its own.
    pub own_values: bool,
    /// Why nothing is sent, if so.
    pub suppressed: Option<Suppressed>,
}

/// A contact that an entry names, directly or through a group.
struct Mention {
    id: String,
    place: usize,
    /// Whether the entry itself is the contact, so that it must be there.
    direct: bool,
    data: Option<Map<String, Value>>,
}

/// One step on the way, in the order of `to`.
enum Step {
    Person(Recipient, usize),
    Contact(Mention),
}

/// Resolves `to`. A contact that is named several times gets one message, as its first entry says, and another one for each
/// entry that has other values of its own. With `introduces`, the values of a contact say who it is.
pub async fn resolve(
    center: &Center,
    project: &str,
    to: Vec<To>,
    category: Option<&str>,
    introduces: bool,
) -> Result<Vec<Named>, Refusal> {
    let mut steps = Vec::with_capacity(to.len());
    let mut groups_seen = HashSet::new();
    for (place, entry) in to.into_iter().enumerate() {
        match entry {
            To::Person(person) => {
                if let Some((kind, detail)) = address::first_problem(&person.addresses) {
                    let pointer = format!("/to/{place}/{}", kind.as_str());
                    return Err(Refusal::field("invalid_address", pointer, detail));
                }
                steps.push(Step::Person(person, place));
            }
            To::Contact { id, data } => {
                steps.push(Step::Contact(Mention { id, place, direct: true, data }));
            }
            To::Group(name) => {
                for id in members(center, project, &name, place, &mut groups_seen).await? {
                    steps.push(Step::Contact(Mention { id, place, direct: false, data: None }));
                }
            }
        }
        if steps.len() > 2 * MAX_RECIPIENTS {
            return Err(too_many());
        }
    }
    let ids: Vec<&str> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Contact(mention) => Some(mention.id.as_str()),
            Step::Person(..) => None,
        })
        .collect();
    let contacts =
        if ids.is_empty() { Default::default() } else { center.contacts.find(project, &ids).await? };
    let mut named = Vec::with_capacity(steps.len());
    let (mut seen, mut seen_with_values) = (HashSet::new(), HashSet::new());
    for step in steps {
        let mention = match step {
            Step::Person(mut recipient, place) => {
                let own_values = recipient.data.is_some();
                recipient.entry = own_values.then_some(place);
                named.push(Named { recipient, place, own_values, suppressed: None });
                continue;
            }
            Step::Contact(mention) => mention,
        };
        let Mention { id, place, direct, data } = mention;
        let data = data.filter(|own| !own.is_empty());
        let Some(contact) = contacts.get(&id) else {
            if direct {
                let detail = format!("there is no contact {id:?} in this project");
                return Err(Refusal::field("unknown_contact", format!("/to/{place}"), detail));
            }
            // A contact cannot be deleted while a group has it, so this is two changes at the same instant.
            tracing::warn!(contact = id, project, "a group has a member that is not there");
            continue;
        };
        let first = seen.insert(id.clone());
        let has_news = match &data {
            Some(own) => seen_with_values.insert((id.clone(), own.clone())),
            None => first,
        };
        if !has_news {
            continue;
        }
        let suppressed = unwilling(contact, category);
        let own_values = data.is_some();
        let data = if introduces { Some(introduced(&id, contact, data)) } else { data };
        let mut recipient = recipient(id, contact, data);
        recipient.entry = own_values.then_some(place);
        named.push(Named { recipient, place, own_values, suppressed });
    }
    if named.len() > MAX_RECIPIENTS {
        return Err(too_many());
    }
    Ok(named)
}

fn too_many() -> Refusal {
    let detail = "a message has at most 10000 recipients; send several messages";
    Refusal::field("invalid_request", "/to", detail)
}

/// Why nothing of a category is sent to a contact that could be.
fn unwilling(contact: &ContactDoc, category: Option<&str>) -> Option<Suppressed> {
    contact.opted_out_of(category).then(|| Suppressed {
        code: "opted_out",
        text: format!("the contact opted out of {}", category.unwrap_or_default()),
    })
}

/// Which of these recipients have opted out of a category by now: their places, and why nothing is sent. Who was no contact,
/// or is none any more, has not.
pub(crate) async fn opted_out(
    center: &Center,
    project: &str,
    category: &str,
    recipients: impl Iterator<Item = (usize, &Recipient)>,
) -> Result<Vec<(usize, Suppressed)>> {
    let (places, ids): (Vec<usize>, Vec<&str>) =
        recipients.filter_map(|(place, one)| Some((place, one.contact.as_deref()?))).unzip();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let contacts = center.contacts.find(project, &ids).await?;
    let why = |id: &str| unwilling(contacts.get(id)?, Some(category));
    Ok(places.into_iter().zip(ids).filter_map(|(place, id)| Some((place, why(id)?))).collect())
}

/// A contact's own values, with who it is among them.
fn introduced(id: &str, contact: &ContactDoc, data: Option<Map<String, Value>>) -> Map<String, Value> {
    let ContactDoc { name, locale, timezone, .. } = contact;
    let mut data = data.unwrap_or_default();
    data.entry(mc_content::RECIPIENT)
        .or_insert_with(|| json!({"id": id, "name": name, "locale": locale, "timezone": timezone}));
    data
}

fn recipient(id: String, contact: &ContactDoc, data: Option<Map<String, Value>>) -> Recipient {
    let zone = contact.timezone.as_deref();
    let quiet = contact.quiet_hours.as_ref().zip(zone).map(|(hours, zone)| quiet::encode(hours, zone));
    Recipient { addresses: contact.addresses.clone(), data, contact: Some(id), quiet, entry: None }
}

/// The contacts of a group and of the groups in it, in the order of their members. A group that was seen is passed
/// over, so that even a cycle (two changes at the same instant) has an end.
async fn members(
    center: &Center,
    project: &str,
    name: &str,
    place: usize,
    seen: &mut HashSet<String>,
) -> Result<Vec<String>, Refusal> {
    let mut contacts = Vec::new();
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        if !seen.insert(next.clone()) {
            continue;
        }
        let Some(group) = center.groups.find(project, &next).await? else {
            if next == name {
                let detail = format!("there is no group \"@{name}\" in this project");
                return Err(Refusal::field("unknown_group", format!("/to/{place}"), detail));
            }
            tracing::warn!(group = next, project, "a group contains a group that is not there");
            continue;
        };
        for member in &group.members {
            match member.strip_prefix(groups::SIGN) {
                Some(nested) => open.push(nested.to_owned()),
                None => contacts.push(member.clone()),
            }
        }
        if contacts.len() > 2 * MAX_RECIPIENTS {
            return Err(too_many());
        }
    }
    Ok(contacts)
}
