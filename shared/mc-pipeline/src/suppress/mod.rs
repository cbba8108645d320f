//! Mail addresses that must not be written to: they bounce, complained, or do not want to.
//!
//! The list is looked at right before a push, so an address that bounced today is not written to by what was planned
//! last month.

mod link;

use std::sync::Arc;

use mc_content::dialect;
use mc_core::model::{Kind, Priority, Recipient};
use mc_core::ports::{Family, Key, Rendered, Store};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::center::Center;
use crate::repo::{Docs, Listed};

/// Why an address is on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The mail system of the address said that there is no such address.
    Bounced,
    /// The recipient called a mail spam.
    Complained,
    /// The recipient does not want these mails. Urgent ones (`priority: high`) still go out.
    Unsubscribed,
    /// Somebody put it on the list by hand.
    Manual,
}

impl Reason {
    /// The reason a channel names in its news.
    pub fn of_news(word: &str) -> Self {
        match word {
            "complaint" => Reason::Complained,
            "unsubscribe" => Reason::Unsubscribed,
            _ => Reason::Bounced,
        }
    }

    /// The code a recipient's failure carries.
    const fn code(self) -> &'static str {
        match self {
            Reason::Bounced => "suppressed_bounced",
            Reason::Complained => "suppressed_complained",
            Reason::Unsubscribed => "suppressed_unsubscribed",
            Reason::Manual => "suppressed_manual",
        }
    }

    const fn stops(self, priority: Priority) -> bool {
        !matches!((self, priority), (Reason::Unsubscribed, Priority::High))
    }
}

/// An address on the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Why.
    pub reason: Reason,
    /// In words: what the mail system said, or what somebody noted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Since when.
    pub at: Timestamp,
}

/// The lists of all projects.
pub struct Suppressions {
    docs: Docs<Suppression>,
    store: Arc<dyn Store>,
}

const SORT: &str = "suppressed";

impl Suppressions {
    /// Lists in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { docs: Docs::listed(store.clone(), SORT, |one| one.at), store }
    }

    /// Why an address is on the list, if it is.
    pub async fn get(&self, project: &str, address: &str) -> Result<Option<Suppression>> {
        self.docs.get(project, &folded(address)).await
    }

    /// Puts an address on the list. A stronger reason than a recipient's own wish is not replaced by that wish.
    pub async fn put(&self, project: &str, address: &str, suppression: &Suppression) -> Result<()> {
        let address = folded(address);
        if suppression.reason == Reason::Unsubscribed {
            self.docs.put_new(project, &address, suppression).await?;
            return Ok(());
        }
        let before = self.docs.get(project, &address).await?;
        self.docs.put(project, &address, suppression, before.as_ref()).await
    }

    /// Takes an address off the list; answers whether it was on it.
    pub async fn delete(&self, project: &str, address: &str) -> Result<bool> {
        self.docs.delete(project, &folded(address)).await
    }

    /// A page of the list, the last entry first.
    pub async fn list(
        &self,
        project: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<Suppression>> {
        self.docs.list(project, limit, cursor).await
    }

    /// Which of these recipients must not be written to now: their places, codes and words.
    ///
    /// One read for all of them; none for kinds that are not mail. A glance, because it is made for every mail, and nobody could
    /// have stopped what went out in the same second.
    pub(crate) async fn among(
        &self,
        project: &str,
        kind: Kind,
        priority: Priority,
        recipients: impl Iterator<Item = (usize, &Recipient)>,
    ) -> Result<Vec<(usize, &'static str, String)>> {
        if kind.family() != Family::Email {
            return Ok(Vec::new());
        }
        let (places, keys): (Vec<usize>, Vec<Key>) = recipients
            .filter_map(|(i, r)| Some((i, r.addresses.email.as_deref()?)))
            .map(|(i, address)| (i, Key::new(format!("{SORT}#{project}"), folded(address))))
            .unzip();
        let mut stopped = Vec::new();
        for (place, item) in places.into_iter().zip(self.store.glance(&keys).await?) {
            let Some(item) = item else { continue };
            let doc = item.attrs.bytes("doc").map_or(&[][..], |b| b);
            let Suppression { reason, text, .. } = serde_json::from_slice(doc)?;
            if reason.stops(priority) {
                stopped.push((place, reason.code(), text));
            }
        }
        Ok(stopped)
    }
}

/// Mail systems take an address in any case for the same; none is known that does not.
fn folded(address: &str) -> String {
    address.trim().to_lowercase()
}

/// Adds the headers of RFC 8058, and a line below the mail, to one that a recipient may refuse with one click.
///
/// Urgent mails have none, and there are none before the center's public address is known.
pub(crate) fn offer(
    center: &Center,
    project: &str,
    kind: Kind,
    priority: Priority,
    to: &[Recipient],
    rendered: &mut Rendered,
) {
    let (Some(base), [recipient]) = (&center.public_url, to) else { return };
    let Some(address) = &recipient.addresses.email else { return };
    if kind.family() != Family::Email || priority == Priority::High {
        return;
    }
    let Some(token) = link::token(&center.sealer, project, &folded(address)) else { return };
    let url = format!("{}/v1/unsubscribe?t={token}", base.trim_end_matches('/'));
    for part in &mut rendered.parts {
        if let Some(headers) = part.payload.get_mut("headers").and_then(|h| h.as_object_mut()) {
            headers.insert("List-Unsubscribe".to_owned(), json!(format!("<{url}>")));
            if takes_one_click(base) {
                headers.insert("List-Unsubscribe-Post".to_owned(), json!("List-Unsubscribe=One-Click"));
            }
        }
        let mut take = |name: &str| match part.payload.get_mut(name).map(Value::take) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (mut html, mut text) = (take("html"), take("text"));
        dialect::add_unsubscribe(&mut html, &mut text, &url);
        part.payload["html"] = html.into();
        part.payload["text"] = text.into();
    }
}

/// Whether one click may be asked for there: RFC 8058 wants HTTPS. What stays on this machine needs none.
fn takes_one_click(base: &str) -> bool {
    let local = |url: url::Url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    base.starts_with("https://") || url::Url::parse(base).is_ok_and(local)
}

/// Whose link this is: the project and the address.
pub fn read_link(center: &Center, token: &str) -> Option<(String, String)> {
    link::read(&center.sealer, token)
}

/// Does what a recipient asked for with one click. Doing it again changes nothing.
pub async fn unsubscribe(center: &Center, project: &str, address: &str) -> Result<()> {
    let suppression =
        Suppression { reason: Reason::Unsubscribed, text: String::new(), at: center.clock.now() };
    center.suppressions.put(project, address, &suppression).await
}
