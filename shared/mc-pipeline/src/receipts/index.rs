//! From the platform's id of a push to the share it belongs to.

use mc_core::id::MessageId;
use mc_core::ports::{Attr, Attrs, Batching, Item, Op, Query};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::Units;
use crate::center::Center;
use crate::keys;
use crate::repo::ChannelEntry;
use crate::share::{self, Share, attr};

const MESSAGE: &str = "m";
const SHARE: &str = "s";
const UNITS: &str = "u";
const MORE: &str = "w";

/// A push that the platform accepted, by the platform's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// The platform's id.
    #[serde(rename = "p")]
    pub id: String,
    /// Whom it reached.
    #[serde(rename = "u")]
    pub units: Units,
    /// Whether more parts of the same content followed.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// Where a push is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The message.
    pub message: MessageId,
    /// Which share of it.
    pub share: u32,
    /// Whom the push reached.
    pub units: Units,
    /// Whether more parts of the same content followed: then it does not say that all of it arrived.
    pub more: bool,
}

/// Whether a channel's pushes are remembered by the platform's ids.
pub fn remembers(entry: &ChannelEntry) -> bool {
    let capability = entry.channel.capability();
    capability.receipts || capability.recall
}

/// Whether an id alone tells the share: it is the push's own id, which the platform repeats.
pub fn tells_itself(entry: &ChannelEntry, id: &str, push_id: &str) -> bool {
    id == push_id && !matches!(entry.channel.capability().batching, Batching::UpTo(_))
}

/// The writes that make a share's pushes findable. Made again, they change nothing.
pub fn ops(
    center: &Center,
    project: &str,
    channel: &str,
    message: MessageId,
    share: u32,
    pushes: &[Pushed],
    now: Timestamp,
) -> Vec<Op> {
    let forget = now.after(center.tuning.retention + center.tuning.give_up_after);
    let item = |pushed: &Pushed| {
        let mut attrs = Attrs::new()
            .with(MESSAGE, message.ulid().to_string())
            .with(SHARE, i64::from(share))
            .with(UNITS, pushed.units.encode());
        if pushed.more {
            attrs.set(MORE, 1);
        }
        Op::put(Item::new(keys::platform_id(project, channel, &pushed.id), attrs).expiring(forget))
    };
    pushes.iter().map(item).collect()
}

/// Keeps what was pushed with its share, if there is room, else in an item of its own; answers that item.
pub fn keep(
    center: &Center,
    project: &str,
    message: MessageId,
    share: &mut Share,
    pushed: Vec<Pushed>,
    now: Timestamp,
) -> Result<Option<Op>> {
    let mut all = share.pushes.clone();
    all.extend(pushed.iter().cloned());
    if serde_json::to_vec(&all)?.len() <= share::INLINE_BYTES {
        share.pushes = all;
        return Ok(None);
    }
    let key = keys::pushes(project, message, share.index, share.attempt, center.spread);
    let attrs = Attrs::new().with(attr::PUSHES, serde_json::to_vec(&pushed)?);
    let forget = now.after(center.tuning.retention + center.tuning.give_up_after);
    Ok(Some(Op::put(Item::new(key, attrs).expiring(forget))))
}

/// Everything that was pushed of a share, wherever it is kept.
pub async fn pushes(
    center: &Center,
    project: &str,
    message: MessageId,
    share: &Share,
) -> Result<Vec<Pushed>> {
    let mut all = share.pushes.clone();
    let partition = keys::message_partition(project, message, center.spread);
    let mut query = Query::prefix(partition, keys::pushes_prefix(message, share.index), 100);
    loop {
        let page = center.store.query(&query).await?;
        for item in &page.items {
            all.extend(share::json::<Vec<Pushed>>(&item.attrs, attr::PUSHES)?.unwrap_or_default());
        }
        match page.items.last() {
            Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
            _ => return Ok(all),
        }
    }
}

/// Where a push is recorded, if it is.
pub async fn locate(
    center: &Center,
    project: &str,
    channel: &str,
    platform_id: &str,
) -> Result<Option<Place>> {
    if let Some(place) = of_push_id(platform_id) {
        return Ok(Some(place));
    }
    let Some(item) = center.store.get(&keys::platform_id(project, channel, platform_id)).await? else {
        return Ok(None);
    };
    let attrs = &item.attrs;
    let message = attrs.text(MESSAGE).and_then(|ulid| Ulid::from_string(ulid).ok());
    let share = attrs.num(SHARE).and_then(|n| u32::try_from(n).ok());
    let units = attrs.text(UNITS).and_then(Units::decode);
    let (Some(message), Some(share), Some(units)) = (message, share, units) else { return Ok(None) };
    let more = matches!(attrs.get(MORE), Some(Attr::Num(_)));
    Ok(Some(Place { message: MessageId::new(message), share, units, more }))
}

/// The place inside our own id of a push: `ulid-share-unit`, and `-part` where there are several.
fn of_push_id(id: &str) -> Option<Place> {
    let mut parts = id.split('-');
    let message = parts.next().filter(|ulid| ulid.len() == ulid::ULID_LEN)?;
    let message = MessageId::new(Ulid::from_string(message).ok()?);
    let share = parts.next()?.parse().ok()?;
    let unit = parts.next()?.parse().ok()?;
    let more = parts.next().is_some();
    parts.next().is_none().then(|| Place { message, share, units: Units::new(vec![unit]), more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_ids_tell_their_place() {
        let place = of_push_id("01HF7YAT31000000000000001A-3-17").unwrap();
        assert_eq!((place.share, place.units.encode(), place.more), (3, "17".to_owned(), false));
        assert_eq!(place.message.to_string(), "msg_01HF7YAT31000000000000001A");
        assert!(of_push_id("01HF7YAT31000000000000001A-3-17-2").unwrap().more);
        for other in [
            "",
            "01HF7YAT31000000000000001A",
            "01HF7YAT31000000000000001A-1",
            "om_dc13264520392913993dd051dba21dcf",
            "1-2-3",
            "01HF7YAT31000000000000001A-1-2-3-4",
        ] {
            assert_eq!(of_push_id(other), None, "{other}");
        }
    }
}
