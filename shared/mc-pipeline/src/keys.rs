//! The one place that knows where everything lives in the store.
//!
//! | what | partition | sort key |
//! |---|---|---|
//! | message head | `m#project#day#spread` | `m#ulid` |
//! | share (hot) | the message's | `s#ulid#index` |
//! | share's recipients (cold) | the message's | `c#ulid#index#chunk` |
//! | share's pushes, if there are many | the message's | `i#ulid#index#attempt` |
//! | push by the platform's id | `pid#project#channel#platform id` | `p` |
//! | receipt that came early | `early#project#channel` | ulid |
//! | press of a button | `act#project#channel` | hash |
//! | message by reference | `r#project#reference` | ulid |
//! | scheduled message | `sched#project#spread` | ulid |
//! | message that is due out of the order of ids | `waiting#project#spread` | `millis#ulid` |
//! | how far waiting messages were looked for | `waiting-mark#project` | channel, or `*` for all |
//! | idempotency record | `i#project#key` | `i` |
//! | event | `e#project#day` of the message | event id |
//! | event by time | `el#project#day` of the event | `millis#event id` |
//! | telling of an event to a webhook | `wn#project#webhook` | event id |
//! | due task | `due#spread` | `millis#ulid` |
//! | schedule | `schedules#project` | name |
//! | how far lost tasks were looked for | `swept` | look |
//! | dead letter | `dead#project` | ulid |
//! | pace of a channel, and what it counted | `pace#project#channel` | `p` |
//! | notes on a channel's quotas | `quota#project` | channel |
//! | what scheduled sends have reserved | `promise#project#channel` | day |
//! | lease of whoever asks the platforms | `quota-lease` | `p` |
//! | messages of a project, counted | `lim#project` | `n` |
//! | token of a platform's account | `tok#project` | name |
//! | system log | `log#project#day` | ulid |
//! | suppressed addresses | `suppressed#project` | address |
//! | counters of a minute | `sm#project#day#spread` | hour and minute |
//! | counters of an hour | `sh#project` | hour since 1970 |
//! | up to where hours are summed up | `sr#project` | `r` |
//! | state of an alarm | `alarm-states#project` | name |
//! | documents (channels, templates …) | `doc kind#project` | name |
//!
//! The day and the spread follow from the message's id, so an id is enough to find its message.

use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::ports::{Attrs, Item, Key};

/// The partition of a message and all of its shares.
pub fn message_partition(project: &str, id: MessageId, spread: u8) -> String {
    day_partition(project, &id.time().day(), shard_of(id, spread))
}

/// One of the partitions of a project's day.
pub fn day_partition(project: &str, day: &str, shard: u8) -> String {
    format!("m#{project}#{day}#{shard:02}")
}

/// A message's head.
pub fn head(project: &str, id: MessageId, spread: u8) -> Key {
    Key::new(message_partition(project, id, spread), head_sort(id))
}

/// The sort key of a head.
pub fn head_sort(id: MessageId) -> String {
    format!("m#{}", id.ulid())
}

/// A share with what changes.
pub fn share(project: &str, id: MessageId, index: u32, spread: u8) -> Key {
    Key::new(message_partition(project, id, spread), format!("{}{index:05}", share_prefix(id)))
}

/// What all of a message's shares begin with.
pub fn share_prefix(id: MessageId) -> String {
    format!("s#{}#", id.ulid())
}

/// What all of the items with a share's recipients begin with.
pub fn cold_prefix(id: MessageId, index: u32) -> String {
    format!("c#{}#{index:05}#", id.ulid())
}

/// Up to 200 of a share's recipients, written once.
pub fn cold(project: &str, id: MessageId, index: u32, chunk: usize, spread: u8) -> Key {
    Key::new(message_partition(project, id, spread), format!("{}{chunk:04}", cold_prefix(id, index)))
}

/// What all of the items with a share's pushes begin with.
pub fn pushes_prefix(id: MessageId, index: u32) -> String {
    format!("i#{}#{index:05}#", id.ulid())
}

/// What one claim of a share pushed, where it is too much for the share itself.
pub fn pushes(project: &str, id: MessageId, index: u32, attempt: i64, spread: u8) -> Key {
    Key::new(message_partition(project, id, spread), format!("{}{attempt:05}", pushes_prefix(id, index)))
}

/// The push of which the platform knows by this id.
pub fn platform_id(project: &str, channel: &str, platform_id: &str) -> Key {
    Key::new(format!("pid#{project}#{channel}#{platform_id}"), "p")
}

/// A receipt that waits for its push.
pub fn early_receipt(project: &str, channel: &str, id: &str) -> Key {
    Key::new(format!("early#{project}#{channel}"), id)
}

/// The press of a button, so that its repeat is known.
pub fn pressed(project: &str, channel: &str, hash: &str) -> Key {
    Key::new(format!("act#{project}#{channel}"), hash)
}

/// The partition of the messages of one reference.
pub fn reference_partition(project: &str, reference: &str) -> String {
    format!("r#{project}#{reference}")
}

/// One of the partitions of a project's messages that wait for their time.
pub fn scheduled_partition(project: &str, shard: u8) -> String {
    format!("sched#{project}#{shard:02}")
}

/// What a listing finds a scheduled message by. It is forgotten when the message's time has come.
pub fn scheduled_item(project: &str, id: MessageId, spread: u8, send_at: Timestamp) -> Item {
    let key = Key::new(scheduled_partition(project, shard_of(id, spread)), id.ulid().to_string());
    Item::new(key, Attrs::new()).expiring(send_at)
}

/// One of the partitions of a project's messages of which something is due long after the time in their ids.
pub fn waiting_partition(project: &str, shard: u8) -> String {
    format!("waiting#{project}#{shard:02}")
}

/// What finds a message of which something is due at `at`.
pub fn waiting(project: &str, id: MessageId, spread: u8, at: Timestamp) -> Key {
    let sort = format!("{}#{}", millis(at), id.ulid());
    Key::new(waiting_partition(project, shard_of(id, spread)), sort)
}

/// How far the looks for messages that wait for a channel came, or of those for any.
pub fn waiting_mark(project: &str, channel: Option<&str>) -> Key {
    Key::new(format!("waiting-mark#{project}"), channel.unwrap_or("*"))
}

fn shard_of(id: MessageId, spread: u8) -> u8 {
    if spread <= 1 { 0 } else { (id.ulid().random() % u128::from(spread)) as u8 }
}

/// The record that makes a request with an `Idempotency-Key` happen once.
pub fn idempotency(project: &str, key: &str) -> Key {
    Key::new(format!("i#{project}#{key}"), "i")
}

/// An event; its day is that of its message, so that its id is enough to find it.
pub fn event(project: &str, day: &str, id: &str) -> Key {
    Key::new(format!("e#{project}#{day}"), id)
}

/// The partition of one day's events in the order they happened.
pub fn event_list_partition(project: &str, day: &str) -> String {
    format!("el#{project}#{day}")
}

/// The place of an event in that order.
pub fn event_list_sort(at: Timestamp, id: &str) -> String {
    format!("{}#{id}", millis(at))
}

/// The telling of one event to one webhook.
pub fn telling(project: &str, webhook: &str, event: &str) -> Key {
    Key::new(telling_partition(project, webhook), event)
}

/// The partition of all tellings of one webhook.
pub fn telling_partition(project: &str, webhook: &str) -> String {
    format!("wn#{project}#{webhook}")
}

/// One of the partitions of tasks that lie further ahead than a queue's delay.
pub fn due_partition(shard: u8) -> String {
    format!("due#{shard:02}")
}

/// The partition of due rows that cannot be read.
pub const DUE_ASIDE: &str = "due-aside";

/// How far the looks for lost tasks came.
pub const SWEPT: &str = "swept";

/// A due task's place in time.
pub fn due_sort(at: Timestamp, unique: &str) -> String {
    format!("{}#{unique}", millis(at))
}

/// The partition of a project's dead letters.
pub fn dead_partition(project: &str) -> String {
    format!("dead#{project}")
}

/// The slots a channel has used.
pub fn pace(project: &str, channel: &str) -> Key {
    Key::new(format!("pace#{project}#{channel}"), "p")
}

/// What is noted of a channel's quotas.
pub fn quota_notes(project: &str, channel: &str) -> Key {
    Key::new(format!("quota#{project}"), channel)
}

/// The lease of whoever asks the platforms.
pub fn quota_lease() -> Key {
    Key::new("quota-lease", "p")
}

/// The partition of what scheduled sends of a channel have reserved.
pub fn promises_partition(project: &str, channel: &str) -> String {
    format!("promise#{project}#{channel}")
}

/// How many messages a project's callers sent.
pub fn limits(project: &str) -> Key {
    Key::new(format!("lim#{project}"), "n")
}

/// A value that a platform gave for a while.
pub fn token(project: &str, name: &str) -> Key {
    Key::new(format!("tok#{project}"), name)
}

/// The partition of one day of a project's system log.
pub fn log_partition(project: &str, day: &str) -> String {
    format!("log#{project}#{day}")
}

/// The counters of the minute that `at` is in.
pub fn stats_minute(project: &str, at: Timestamp, shard: u8) -> Key {
    let minute = at.seconds().div_euclid(60).rem_euclid(1440);
    Key::new(format!("sm#{project}#{}#{shard:02}", at.day()), format!("{:02}{:02}", minute / 60, minute % 60))
}

/// The counters of an hour, by its number since 1970.
pub fn stats_hour(project: &str, hour: i64) -> Key {
    Key::new(format!("sh#{project}"), format!("{hour:09}"))
}

/// The first hour that is not summed up yet.
pub fn stats_rolled(project: &str) -> Key {
    Key::new(format!("sr#{project}"), "r")
}

/// The partition of the states of a project's alarms.
pub fn alarm_states_partition(project: &str) -> String {
    format!("alarm-states#{project}")
}

/// The state of an alarm.
pub fn alarm_state(project: &str, name: &str) -> Key {
    Key::new(alarm_states_partition(project), name)
}

/// Milliseconds so that they sort as text.
pub fn millis(at: Timestamp) -> String {
    format!("{:013}", at.millis().max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_enough_to_find_its_message() {
        let id = MessageId::new(ulid(1_700_000_000_000, 7));
        let key = head("default", id, 4);
        assert_eq!(key.pk, "m#default#20231114#03");
        assert!(key.sk.starts_with("m#01HF"));
        assert_eq!(share("default", id, 3, 4).pk, key.pk);
    }

    fn ulid(ms: u64, random: u128) -> ulid::Ulid {
        ulid::Ulid::from_parts(ms, random)
    }
}
