//! Telling callers what happened, by Standard Webhooks.
//!
//! An event is stored once under an id that follows from its message, so that telling it again tells the same; a task
//! per endpoint then posts it until it arrives ([`notify`]).

mod list;
mod notify;
mod replay;

use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::{Event, EventKind};
use mc_core::ports::{Attrs, Commit, Family, Group, Item, Op, Outgoing, Task, WriteError};
use mc_core::state::{MessageStatus, State};
use mc_core::{Result, Timestamp};
use serde_json::{Value, json};

pub use list::tellings;
pub(crate) use notify::day_of;
pub use notify::{Telling, TellingAttempt, TellingState, forgive, notify, seal_context};
pub use replay::replay;

use crate::center::Center;
use crate::deliver::settle_time;
use crate::keys;
use crate::receipts::{Step, grouped};
use crate::share::{Final, Head, Share, attr};
use crate::syslog;
use crate::view::{RecipientName, named_recipients};

/// For how long events are kept and can be replayed.
pub const EVENT_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// Whether a project has any webhook at all.
pub async fn anybody(center: &Center, project: &str) -> Result<bool> {
    Ok(!center.webhooks.of(project).await?.is_empty())
}

/// Tells of a share that is decided, and of its message if that was the last one.
pub async fn settled(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    share: &Share,
    last: Final,
) -> Result<()> {
    let webhooks = center.webhooks.of(project).await?;
    if webhooks.is_empty() {
        return Ok(());
    }
    let wanted = |kind: EventKind| webhooks.iter().any(|(_, w)| w.enabled && w.events.contains(&kind));
    let mut events = Vec::new();
    let by_state = [
        (EventKind::DeliverySent, &[State::Sent, State::Delivered, State::Read][..]),
        (EventKind::DeliveryFailed, &[State::Failed, State::Expired, State::Suppressed, State::InDoubt][..]),
    ];
    for (kind, states) in by_state {
        if !wanted(kind) {
            continue;
        }
        let units: Vec<usize> =
            (0..share.letters.len()).filter(|i| states.contains(&share.state_of(*i))).collect();
        if !units.is_empty() {
            let word = kind.as_str().rsplit('.').next().unwrap_or_default();
            let data = of_share(center, project, id, head, share, &units, sequence(last.at, 1)).await?;
            let event = Event { kind, timestamp: last.at, data };
            events.push((format!("evt_{}-{}-{word}", id.ulid(), share.index), event));
        }
    }
    if head.is_final() && wanted(EventKind::MessageCompleted) {
        let at = settle_time(head);
        let counts = head.decided();
        events.push((
            format!("evt_{}-completed", id.ulid()),
            Event {
                kind: EventKind::MessageCompleted,
                timestamp: at,
                data: json!({
                    "message_id": id,
                    "reference": head.doc.reference,
                    "status": MessageStatus::of_decided(&counts),
                    "counts": counts,
                    "sequence": sequence(at, 9),
                }),
            },
        ));
    }
    emit(center, project, &id.time().day(), events).await
}

/// Orders a message's events: by time, and within a moment by what must come first.
fn sequence(at: Timestamp, rank: i64) -> i64 {
    at.millis() * 10 + rank
}

/// What is told of some of a share's recipients.
async fn of_share(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    share: &Share,
    units: &[usize],
    sequence: i64,
) -> Result<Value> {
    let people = named_recipients(center, project, id, head, share).await?;
    let recipients = units.iter().map(|i| {
        let error = share.errors.iter().find(|e| e.index as usize == *i);
        let RecipientName { address, contact, entry } = people.get(*i).cloned().unwrap_or_default();
        let mut told = json!({"address": address, "status": share.state_of(*i)});
        if let Some(contact) = contact {
            told["contact"] = Value::from(contact);
        }
        if let Some(entry) = entry {
            told["entry"] = Value::from(entry);
        }
        if let Some(error) = error {
            told["code"] = Value::from(error.code.clone());
            told["text"] = Value::from(error.text.clone());
        }
        told
    });
    Ok(json!({
        "message_id": id,
        "reference": head.doc.reference,
        "delivery_id": id.delivery(share.delivery),
        "channel": head.doc.deliveries[share.delivery].channel,
        "recipients": recipients.collect::<Vec<_>>(),
        "sequence": sequence,
    }))
}

/// The events of what a receipt changed, or of the one recipient whose news it repeats.
pub(crate) async fn receipts(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    share: &Share,
    steps: &[Step],
) -> Result<Vec<(String, Event)>> {
    if !anybody(center, project).await? {
        return Ok(Vec::new());
    }
    let now = center.clock.now();
    let mut events = Vec::new();
    for (rank, (event, kind, units)) in (2..).zip(grouped(id, share.index, steps)) {
        let data = of_share(center, project, id, head, share, &units, sequence(now, rank)).await?;
        events.push((event, Event { kind, timestamp: now, data }));
    }
    Ok(events)
}

/// An event that was stored so recently has its tasks in the queue: whoever stored it and crashed before queueing them
/// is repeated only after its lease.
const JUST_TOLD: Duration = Duration::from_secs(60);

/// Stores events and queues a task per endpoint that wants them.
///
/// An event that is stored already stays as it is. Its tasks are queued again unless it was stored just now, and a task
/// that finds its event told is done.
pub async fn emit(center: &Center, project: &str, day: &str, events: Vec<(String, Event)>) -> Result<()> {
    let now = center.clock.now();
    for one in events {
        let mut commit = commit_of(center, project, day, vec![one]).await?;
        if commit.ops.is_empty() {
            continue;
        }
        commit.guard = Some(commit.ops.remove(0));
        match center.store.commit(commit.clone()).await {
            Ok(_) => {}
            Err(WriteError::Failed(error)) => return Err(error),
            Err(WriteError::Conflict(conflict)) => {
                let stored = conflict.current.as_ref().and_then(|i| i.attrs.num(attr::DUE)).unwrap_or(0);
                if now.since(Timestamp::from_millis(stored)) >= JUST_TOLD {
                    commit.guard = None;
                    center.store.commit(commit).await?;
                }
            }
        }
    }
    Ok(())
}

/// The writes and tasks of some events, for a commit that makes them true: the event itself comes first of each.
pub(crate) async fn commit_of(
    center: &Center,
    project: &str,
    day: &str,
    events: Vec<(String, Event)>,
) -> Result<Commit> {
    let mut commit = Commit::default();
    if events.is_empty() {
        return Ok(commit);
    }
    let webhooks = center.webhooks.of(project).await?;
    let now = center.clock.now();
    for (id, event) in events {
        let interested = webhooks.iter().filter(|(_, w)| w.enabled && w.events.contains(&event.kind));
        let tasks: Vec<Outgoing> = interested.map(|(name, _)| task(project, name, &id)).collect();
        if tasks.is_empty() {
            continue;
        }
        let attrs = Attrs::new().with(attr::DOC, serde_json::to_vec(&event)?).with(attr::DUE, now);
        let item = Item::new(keys::event(project, day, &id), attrs).expiring(now.after(EVENT_LIFE));
        let listed = mc_core::ports::Key::new(
            keys::event_list_partition(project, &event.timestamp.day()),
            keys::event_list_sort(event.timestamp, &id),
        );
        let list = Op::put_new(Item::new(listed, Attrs::new()).expiring(now.after(EVENT_LIFE)));
        commit.ops.extend([Op::put_new(item), list]);
        commit.tasks.extend(tasks);
    }
    Ok(commit)
}

/// The task of telling one endpoint of one event.
fn task(project: &str, webhook: &str, event: &str) -> Outgoing {
    Outgoing {
        family: Family::Webhook,
        // A group of its own: results never wait behind messages, nor messages behind results.
        group: Group::from_text(format!("{project}:results")),
        task: Task::Notify { project: project.into(), webhook: webhook.to_owned(), event: event.to_owned() },
        delay: Duration::ZERO,
    }
}

/// Says, at most once an hour, that a channel's own configuration is refused, by its platform or by us.
pub async fn channel_failing(
    center: &Center,
    project: &str,
    channel: &str,
    code: &str,
    text: &str,
) -> Result<()> {
    let now = center.clock.now();
    let key = mc_core::ports::Key::new(format!("cf#{project}"), channel);
    let hour = Item::new(key, Attrs::new()).expiring(now.after(Duration::from_secs(3600)));
    match center.store.write(Op::put_new(hour)).await {
        Ok(_) => {}
        Err(mc_core::ports::WriteError::Conflict(_)) => return Ok(()),
        Err(mc_core::ports::WriteError::Failed(error)) => return Err(error),
    }
    let detail = json!({"channel": channel, "code": code, "text": text});
    syslog::note(center, project, "channel.failing", detail.clone()).await?;
    let id = format!("evt_{}-failing", center.unique());
    emit(
        center,
        project,
        &now.day(),
        vec![(id, Event { kind: EventKind::ChannelFailing, timestamp: now, data: detail })],
    )
    .await
}
