//! Reading counters back.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::try_join_all;
use mc_core::model::Kind;
use mc_core::ports::{Attrs, Item, Query};
use mc_core::{Result, Timestamp};

use super::{Count, Numbers};
use crate::center::Center;
use crate::keys;

/// What sort of thing a counter counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A channel.
    Channel,
    /// A channel, the messages of alarms.
    Own,
    /// A template.
    Template,
    /// The project as a whole.
    Project,
    /// A platform's access token.
    Token,
}

impl Class {
    const ALL: [Class; 5] = [Class::Channel, Class::Own, Class::Template, Class::Project, Class::Token];

    const fn letter(self) -> &'static str {
        match self {
            Class::Channel => "c",
            Class::Own => "q",
            Class::Template => "t",
            Class::Project => "p",
            Class::Token => "k",
        }
    }
}

/// What counters count for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// What sort of thing.
    pub class: Class,
    /// A channel's kind, as a word; nothing for others.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

impl Cell {
    /// A channel.
    pub fn channel(kind: Kind, name: &str, own: bool) -> Self {
        let class = if own { Class::Own } else { Class::Channel };
        Self { class, kind: kind.as_str(), name: name.to_owned() }
    }

    /// A template; nothing for inline contents.
    pub fn template(name: &str) -> Self {
        Self { class: Class::Template, kind: "", name: name.to_owned() }
    }

    /// The project itself.
    pub fn project() -> Self {
        Self { class: Class::Project, kind: "", name: String::new() }
    }

    /// A platform's access token.
    pub fn token(name: &str) -> Self {
        Self { class: Class::Token, kind: "", name: name.to_owned() }
    }

    /// Whether it is a channel's, whoever sends.
    pub fn is_channel(&self) -> bool {
        matches!(self.class, Class::Channel | Class::Own)
    }

    /// The attribute of one of its counters.
    pub(super) fn attribute(&self, count: Count) -> String {
        format!("{}#{}#{}#{}", self.class.letter(), self.kind, self.name, count.letter())
    }

    /// Reads the name of an attribute. One of a newer version is passed over.
    fn read(attribute: &str) -> Option<(Self, Count)> {
        let (cell, letter) = attribute.rsplit_once('#')?;
        let mut parts = cell.splitn(3, '#');
        let (class, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let class = Class::ALL.into_iter().find(|c| c.letter() == class)?;
        let kind = if kind.is_empty() { "" } else { Kind::WORDS.into_iter().find(|k| *k == kind)? };
        let count = Count::ALL.iter().copied().find(|c| c.letter() == letter)?;
        Some((Self { class, kind, name: name.to_owned() }, count))
    }
}

/// The counters of one stretch of time.
#[derive(Clone, Debug, Default)]
pub struct Sheet(pub HashMap<Cell, Numbers>);

impl Sheet {
    fn add(&mut self, attrs: &Attrs) {
        for (name, value) in attrs.iter() {
            if let (Some((cell, count)), mc_core::ports::Attr::Num(n)) = (Cell::read(name), value) {
                self.0.entry(cell).or_default().add(count, u64::try_from(*n).unwrap_or(0));
            }
        }
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Sheet) {
        for (cell, numbers) in &other.0 {
            self.0.entry(cell.clone()).or_default().merge(numbers);
        }
    }
}

/// The minutes that have any counters, by their number since 1970, from `from` (included) to `to` (excluded).
pub async fn minutes(center: &Center, project: &str, from: i64, to: i64) -> Result<BTreeMap<i64, Sheet>> {
    let mut parts = Vec::new();
    for day in from.div_euclid(1440)..=(to - 1).div_euclid(1440) {
        let begin = from.max(day * 1440);
        let end = to.min((day + 1) * 1440);
        parts.extend((0..center.spread.max(1)).map(|shard| (begin, end, shard)));
    }
    let read = parts.into_iter().map(|(begin, end, shard)| async move {
        let first = keys::stats_minute(project, at(begin), shard);
        // Within a day the time is two digits for the hour and two for the minute; the next day's midnight is 24:00.
        let to = if end.rem_euclid(1440) == 0 {
            "2400".to_owned()
        } else {
            keys::stats_minute(project, at(end), shard).sk
        };
        let query = Query { pk: first.pk, from: first.sk, to, newest_first: false, limit: 1000 };
        let day = begin.div_euclid(1440) * 1440;
        let items = all(center, query).await?;
        let minute = |sk: &str| {
            Some(day + sk.get(..2)?.parse::<i64>().ok()? * 60 + sk.get(2..4)?.parse::<i64>().ok()?)
        };
        Ok::<_, mc_core::Error>(
            items.into_iter().filter_map(move |i| Some((minute(&i.key.sk)?, i))).collect::<Vec<_>>(),
        )
    });
    let mut sheets = BTreeMap::<i64, Sheet>::new();
    for (minute, item) in try_join_all(read).await?.into_iter().flatten() {
        sheets.entry(minute).or_default().add(&item.attrs);
    }
    Ok(sheets)
}

/// The hours that have any counters, by their number since 1970, from `from` (included) to `to` (excluded).
///
/// Those that are not summed up yet are read minute by minute.
pub async fn hours(center: &Center, project: &str, from: i64, to: i64) -> Result<BTreeMap<i64, Sheet>> {
    let rolled = super::roll::rolled(center, project).await?.unwrap_or(from).clamp(from, to);
    let mut sheets = BTreeMap::<i64, Sheet>::new();
    if from < rolled {
        let (first, last) = (keys::stats_hour(project, from), keys::stats_hour(project, rolled));
        let query = Query { pk: first.pk, from: first.sk, to: last.sk, newest_first: false, limit: 1000 };
        for item in all(center, query).await? {
            if let Ok(hour) = item.key.sk.parse() {
                sheets.entry(hour).or_default().add(&item.attrs);
            }
        }
    }
    // Older minutes are not kept, so there is no sense in looking for them.
    let kept = center.clock.now().before(super::MINUTES_LIFE).seconds().div_euclid(3600);
    let rest = rolled.max(kept);
    if rest < to {
        for (minute, sheet) in minutes(center, project, rest * 60, to * 60).await? {
            sheets.entry(minute.div_euclid(60)).or_default().merge(&sheet);
        }
    }
    Ok(sheets)
}

/// Whether anything was sent in a project in the last `span`, as far as it was counted.
pub async fn has_sent(center: &Center, project: &str, span: Duration) -> Result<bool> {
    center.stats.flush(&*center.store).await;
    let now = center.clock.now();
    let hour = |at: Timestamp| at.seconds().div_euclid(3600);
    let sheets = hours(center, project, hour(now.before(span)), hour(now) + 1).await?;
    let mut cells = sheets.values().flat_map(|sheet| &sheet.0);
    Ok(cells.any(|(cell, numbers)| cell.is_channel() && numbers.get(Count::Accepted) > 0))
}

/// Everything a query finds.
async fn all(center: &Center, mut query: Query) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    loop {
        let page = center.store.query(&query).await?;
        items.extend(page.items);
        match items.last() {
            Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
            _ => return Ok(items),
        }
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute.saturating_mul(60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counters_name_survives_storage_whatever_the_thing_is_called() {
        for cell in [
            Cell::channel(Kind::EmailSmtp, "corp-mail", false),
            Cell::channel(Kind::Webhook, "im", true),
            Cell::template(""),
            Cell::template("a.b"),
            Cell::project(),
            Cell::token("wecom:corp:1#2"),
        ] {
            for count in Count::ALL {
                assert_eq!(Cell::read(&cell.attribute(*count)), Some((cell.clone(), *count)));
            }
        }
        for other in ["ttl", "c#nokind#x#s", "c#webhook#x#?", "?#webhook#x#s", "c#webhook"] {
            assert_eq!(Cell::read(other), None, "{other}");
        }
    }
}
