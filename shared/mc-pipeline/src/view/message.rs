//! One message as the API shows it.

use mc_core::id::MessageId;
use mc_core::model::{Attempt, Kind, MessageDoc, Mode, Outcome, Recipient};
use mc_core::ports::{Item, Query};
use mc_core::state::{Counts, MessageStatus, State};
use mc_core::{ErrorKind, Result, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::waiting::{self, BROKEN_CHANNEL, NO_CHANNEL, Waiting};
use crate::center::Center;
use crate::deliver::load;
use crate::keys;
use crate::repo::Stored;
use crate::share::{Final, Head, Share, summary};

/// A message with its deliveries.
#[derive(Debug, Serialize)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub status: MessageStatus,
    /// Recipients by state.
    pub counts: Counts,
    /// One per channel.
    pub deliveries: Vec<DeliveryView>,
    /// The message whose failed recipients it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<MessageId>,
    /// What was asked for.
    #[serde(flatten)]
    pub request: Value,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its last recipient was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

/// One channel's part of a message.
#[derive(Debug, Serialize)]
pub struct DeliveryView {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The channel's kind.
    pub kind: Kind,
    /// Where it stands; any failure shows.
    pub status: State,
    /// How many recipients.
    pub recipients: u32,
    /// Recipients by state.
    pub counts: Counts,
    /// What it waits for, if it does not go on now; a listing knows it only of a message that is one share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// The tries.
    pub attempts: Vec<AttemptView>,
}

/// One try.
#[derive(Debug, Serialize)]
pub struct AttemptView {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub ms: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The platform's code.
    pub code: Option<String>,
    /// The platform's words.
    pub text: Option<String>,
    /// When it is tried again.
    pub next: Option<Timestamp>,
    /// What the platform could not be shown as it was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// How a recipient is called, and what tells several of one address apart.
#[derive(Clone, Debug, Default)]
pub struct RecipientName {
    /// The address, or the channel's name where one push reaches everybody.
    pub address: String,
    /// The contact it was when the message was accepted.
    pub contact: Option<String>,
    /// The place in `to`, counted from 0, of an entry with values of its own.
    pub entry: Option<usize>,
}

/// One recipient of one delivery.
#[derive(Debug, Serialize)]
pub struct RecipientView {
    /// The delivery.
    pub delivery_id: String,
    /// The channel.
    pub channel: String,
    /// The address, or the channel's name where one push reaches everybody.
    pub address: String,
    /// The contact it was when the message was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The place in `to`, counted from 0, of an entry with values of its own: several may have one address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<usize>,
    /// Where it stands.
    pub status: State,
    /// The platform's code, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The platform's words, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A page of recipients.
#[derive(Debug, Serialize)]
pub struct RecipientsPage {
    /// The recipients.
    pub items: Vec<RecipientView>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// All shares of a message, those inside and outside its head.
pub async fn shares(center: &Center, project: &str, id: MessageId, head: &Head) -> Result<Vec<Share>> {
    let mut shares: Vec<Share> = head.inline.iter().cloned().collect();
    let only_inline = head.inline.is_some() && head.shares <= 1;
    if only_inline {
        return Ok(shares);
    }
    let mut query =
        Query::prefix(keys::message_partition(project, id, center.spread), keys::share_prefix(id), 200);
    loop {
        let page = center.store.query(&query).await?;
        for item in &page.items {
            let index = item.key.sk.rsplit('#').next().and_then(|i| i.parse().ok()).unwrap_or(0);
            shares.push(Share::read(index, &item.attrs)?);
        }
        match page.items.last() {
            Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
            _ => return Ok(shares),
        }
    }
}

/// The message, if it is kept.
pub async fn get(center: &Center, project: &str, id: MessageId) -> Result<Option<MessageView>> {
    let Some(head) = load::head(center, project, id).await? else { return Ok(None) };
    with_shares(center, project, id, &head).await.map(Some)
}

/// A head as a listing shows it, without looking at shares outside of it: of those, it knows what they came to and not
/// how they got there.
pub fn of_head(center: &Center, id: MessageId, item: &Item) -> Result<MessageView> {
    let head = Head::read(item)?;
    let shares: Vec<Share> = head.inline.iter().cloned().collect();
    Ok(view(center, id, &head, &shares))
}

/// The same with all of its shares.
pub async fn whole(center: &Center, project: &str, id: MessageId, item: &Item) -> Result<MessageView> {
    with_shares(center, project, id, &Head::read(item)?).await
}

async fn with_shares(center: &Center, project: &str, id: MessageId, head: &Head) -> Result<MessageView> {
    let shares = shares(center, project, id, head).await?;
    let mut view = view(center, id, head, &shares);
    for delivery in &mut view.deliveries {
        if let Some(waiting) = &mut delivery.waiting
            && waiting.reason.is_of_channel()
            && let Some(detail) = hindrance(center, project, &delivery.channel).await?
        {
            detail.clone_into(&mut waiting.detail);
        }
    }
    Ok(view)
}

/// Why a channel takes nothing, as deliveries will see it, if it takes nothing. What waits for one that cannot be read or
/// whose secrets cannot be opened ends as a dead letter, which can be sent again.
async fn hindrance(center: &Center, project: &str, channel: &str) -> Result<Option<&'static str>> {
    match center.channels.find(project, channel).await {
        Ok(Stored::Live(entry)) if entry.doc.enabled => Ok(None),
        Ok(Stored::Live(_) | Stored::Missing) => Ok(Some(NO_CHANNEL)),
        Ok(Stored::Broken(_)) => Ok(Some(BROKEN_CHANNEL)),
        Err(error) if matches!(error.kind, ErrorKind::Sealed | ErrorKind::Corrupt) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a message stands.
pub fn status(center: &Center, head: &Head, shares: &[Share]) -> MessageStatus {
    if head.is_final() {
        return MessageStatus::of_decided(&head.decided());
    }
    let begun = !head.finals.is_empty() || shares.iter().any(|s| s.attempt > 0);
    if begun {
        MessageStatus::Processing
    } else if head.doc.send_at.is_some_and(|at| at > center.clock.now()) {
        MessageStatus::Scheduled
    } else {
        MessageStatus::Queued
    }
}

fn view(center: &Center, id: MessageId, head: &Head, shares: &[Share]) -> MessageView {
    let (doc, now) = (&head.doc, center.clock.now());
    let deliveries: Vec<DeliveryView> = doc
        .deliveries
        .iter()
        .enumerate()
        .filter(|(i, plan)| {
            plan.recipients > 0
                || shares.iter().any(|s| s.delivery == *i)
                || head.finals.iter().any(|f| f.delivery == *i)
        })
        .map(|(i, plan)| {
            let mine: Vec<&Share> = shares.iter().filter(|s| s.delivery == i).collect();
            // What the head notes of shares that were not read.
            let noted: Vec<Counts> = head
                .finals
                .iter()
                .filter(|f| f.delivery == i && !mine.iter().any(|s| s.index == f.share))
                .map(Final::of_delivery)
                .collect();
            let mut counts = Counts::default();
            for share in &mine {
                for unit in 0..share.letters.len() {
                    counts.add(share.state_of(unit), 1);
                }
            }
            for some in &noted {
                counts.merge(some);
            }
            let mut attempts: Vec<AttemptView> =
                mine.iter().flat_map(|s| s.log.iter().cloned()).map(AttemptView::from).collect();
            attempts.sort_by_key(|a| a.at);
            DeliveryView {
                id: id.delivery(i),
                channel: plan.channel.clone(),
                kind: plan.kind,
                status: delivery_state(&mine, &counts, plan.recipients),
                recipients: plan.recipients.max(counts.total()),
                counts,
                waiting: waiting::of_delivery(head, &mine, now),
                attempts,
            }
        })
        .collect();
    let mut counts = head.counts();
    for share in shares.iter().filter(|s| !head.finals.iter().any(|f| f.share == s.index)) {
        for unit in 0..share.letters.len() {
            counts.add(share.state_of(unit), 1);
        }
    }
    MessageView {
        id,
        status: status(center, head, shares),
        counts,
        deliveries,
        retry_of: doc.retry_of,
        request: request_view(doc),
        created_at: doc.created_at,
        completed_at: head.is_final().then(|| crate::deliver::settle_time(head)),
    }
}

/// The state of a delivery: what is still going on, else what became of it.
fn delivery_state(shares: &[&Share], counts: &Counts, recipients: u32) -> State {
    let states: Vec<State> = shares.iter().map(|s| s.state()).collect();
    for going_on in [State::Sending, State::Retrying, State::Queued] {
        if states.contains(&going_on) {
            return going_on;
        }
    }
    let known = !shares.is_empty() || counts.total() >= recipients.max(1);
    if known { summary(counts) } else { State::Queued }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let Attempt { at, ms, outcome, code, text, next, warnings } = attempt;
        Self { at, ms, outcome, code, text, next, warnings }
    }
}

/// What was asked for, without recipients.
fn request_view(doc: &MessageDoc) -> Value {
    let mut view = serde_json::Map::new();
    let mut put = |name: &str, value: serde_json::Result<Value>| {
        if let Ok(value) = value
            && !value.is_null()
        {
            view.insert(name.to_owned(), value);
        }
    };
    put("template", serde_json::to_value(&doc.template));
    put("content", serde_json::to_value(&doc.content));
    put("data", serde_json::to_value(&doc.data));
    put("priority", serde_json::to_value(doc.priority));
    put("reference", serde_json::to_value(&doc.reference));
    put("tags", serde_json::to_value(&doc.tags));
    put("send_at", serde_json::to_value(doc.send_at));
    put("expire_at", serde_json::to_value(doc.expire_at));
    put("condition", serde_json::to_value(&doc.condition));
    put("request_id", serde_json::to_value(&doc.request_id));
    put("sender", serde_json::to_value(&doc.sender));
    let channels: Vec<&str> = doc.deliveries.iter().map(|d| d.channel.as_str()).collect();
    let mode = match doc.mode {
        Mode::All => "all",
        Mode::First => "first",
    };
    view.insert("routing".to_owned(), serde_json::json!({"mode": mode, "channels": channels}));
    if !doc.attachments.is_empty() {
        let files = doc.attachments.iter().map(
            |a| serde_json::json!({"filename": a.filename, "content_type": a.content_type, "size": a.size}),
        );
        view.insert("attachments".to_owned(), Value::Array(files.collect()));
    }
    Value::Object(view)
}

/// How the recipients behind a share's letters are called, in order.
pub async fn named_recipients(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    share: &Share,
) -> Result<Vec<RecipientName>> {
    let plan = &head.doc.deliveries[share.delivery];
    let capability = crate::repo::Channels::capability(plan.kind);
    if capability.batching == mc_core::ports::Batching::Broadcast {
        return Ok(vec![RecipientName { address: plan.channel.clone(), ..RecipientName::default() }]);
    }
    let people = load::recipients(center, project, id, share, &head.doc).await?;
    let named = |r: &Recipient| RecipientName {
        address: r.addresses.first_of(capability.addresses).map_or_else(String::new, |(_, a)| a.to_owned()),
        contact: r.contact.clone(),
        entry: r.entry,
    };
    Ok(people.iter().map(named).collect())
}

/// A page of a message's recipients, in the order of their shares; `None` when the message is not kept.
pub async fn recipients(
    center: &Center,
    project: &str,
    id: MessageId,
    status: Option<State>,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Option<RecipientsPage>> {
    let Some(head) = load::head(center, project, id).await? else { return Ok(None) };
    let begin =
        cursor.and_then(|c| c.split_once('.')).and_then(|(s, u)| Some((s.parse().ok()?, u.parse().ok()?)));
    let (first_share, first_unit): (u32, usize) = begin.unwrap_or((0, 0));
    let mut shares = shares(center, project, id, &head).await?;
    shares.sort_by_key(|s| s.index);
    let mut items = Vec::new();
    for share in shares.iter().filter(|s| s.index >= first_share) {
        let names = named_recipients(center, project, id, &head, share).await?;
        let from = if share.index == first_share { first_unit } else { 0 };
        for unit in from..share.letters.len() {
            if items.len() == limit {
                return Ok(Some(RecipientsPage {
                    items,
                    next_cursor: Some(format!("{}.{unit}", share.index)),
                }));
            }
            let state = share.state_of(unit);
            if status.is_some_and(|s| s != state) {
                continue;
            }
            let error = share.errors.iter().find(|e| e.index as usize == unit);
            let RecipientName { address, contact, entry } = names.get(unit).cloned().unwrap_or_default();
            items.push(RecipientView {
                delivery_id: id.delivery(share.delivery),
                channel: head.doc.deliveries[share.delivery].channel.clone(),
                address,
                contact,
                entry,
                status: state,
                code: error.map(|e| e.code.clone()),
                text: error.map(|e| e.text.clone()),
            });
        }
    }
    Ok(Some(RecipientsPage { items, next_cursor: None }))
}
