//! What a receipt changes: letters in its share, the counts in the message's head, and what callers are told.

use mc_core::id::MessageId;
use mc_core::model::{EventKind, Recipient};
use mc_core::ports::{Attr, Change, Cond, Op, WriteError};
use mc_core::state::{Counts, State};
use mc_core::{Error, ErrorKind, Result};
use ring::digest::{SHA256, digest};

use super::index::Place;
use super::{OfShare, Told};
use crate::center::Center;
use crate::deliver::{load, settle};
use crate::repo::ChannelEntry;
use crate::share::{Final, Phase, Share, attr};
use crate::stats::{Numbers, Part, of_state};
use crate::{keys, tell};

/// So many writers may come in between before the receipt is put off.
const TRIES: usize = 50;

/// Whose turn it is to change a share, so that the receipts of one process do not race each other.
#[derive(Default)]
pub(crate) struct Turns([tokio::sync::Mutex<()>; 32]);

impl Turns {
    fn of(&self, id: MessageId) -> &tokio::sync::Mutex<()> {
        &self.0[(id.ulid().random() % self.0.len() as u128) as usize]
    }
}

/// Applies what was told of a share's pushes; `false` if they are not recorded yet.
pub(super) async fn change(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    of: &OfShare,
) -> Result<bool> {
    let OfShare { message: id, share: index, news } = of;
    let (id, index) = (*id, *index);
    let _turn = center.receipts.of(id).lock().await;
    for _ in 0..TRIES {
        let Some(head) = load::head(center, project, id).await? else { return Ok(true) };
        let Some(mut share) = load::share(center, project, id, &head, index).await? else {
            return Ok(true);
        };
        let of_channel = head.doc.deliveries.get(share.delivery).is_some_and(|d| d.channel == *entry.name);
        if !of_channel {
            tracing::warn!(channel = %entry.name, "a receipt names a push of another channel and is dropped");
            return Ok(true);
        }
        let noted = head.finals.iter().find(|f| f.share == share.index).copied();
        match share.phase {
            // Whoever holds the share writes all of its letters; the receipt is taken after that.
            Phase::Queued | Phase::Sending => return Ok(false),
            Phase::Final if noted.is_none() => return Ok(false),
            Phase::Retrying | Phase::Final => {}
        }
        let people = match news.iter().flat_map(|(.., told)| told).any(|t| t.to.is_some()) {
            true => load::recipients(center, project, id, &share, &head.doc).await?,
            false => Vec::new(),
        };
        let before = share.clone();
        let mut steps = Vec::new();
        for (_, place, told) in news {
            take_over(&mut share, place, told, &people, &mut steps);
        }
        let events = tell::receipts(center, project, id, &head, &share, &steps).await?;
        if share.letters == before.letters {
            // A repeat: whatever followed from it may be missing after a crash.
            tell::emit(center, project, &id.time().day(), events).await?;
        } else {
            let mut commit = tell::commit_of(center, project, &id.time().day(), events).await?;
            commit.guard = Some(update(center, project, id, &before, &mut share, noted)?);
            match center.store.commit(commit).await {
                Ok(_) => {
                    count(entry, &steps);
                    let mut numbers = Numbers::default();
                    for count in steps.iter().filter(|s| s.fresh).filter_map(|s| of_state(s.state)) {
                        numbers.add(count, 1);
                    }
                    if let Some(part) = Part::of(project, &head.doc, share.delivery) {
                        center.stats.add(center.clock.now(), &part, &numbers);
                    }
                }
                // Somebody else changed the share: look again.
                Err(WriteError::Conflict(_)) => continue,
                Err(WriteError::Failed(error)) => return Err(error),
            }
        }
        match (share.phase, noted) {
            (Phase::Final, None) => settle(center, project, id, &share).await?,
            (Phase::Final, Some(_)) if share.index != 0 => adjust(center, project, id, share.index).await?,
            (Phase::Final | Phase::Retrying | Phase::Queued | Phase::Sending, _) => {}
        }
        return Ok(true);
    }
    Err(Error::new(ErrorKind::Unavailable, "a share changes too often for a receipt").with("message", id))
}

/// One recipient that a receipt names: its new state, or the one it had already.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the share.
    pub unit: usize,
    /// Its state now.
    pub state: State,
    /// Whether the receipt brought it there, or only repeated it.
    pub fresh: bool,
}

/// Moves the letters on and notes the recipients that are where the receipts say.
fn take_over(share: &mut Share, place: &Place, told: &[Told], people: &[Recipient], steps: &mut Vec<Step>) {
    for one in told {
        let units: Vec<usize> = match &one.to {
            Some(to) => named(place, share, people, to),
            None => place.units.iter().filter(|unit| *unit < share.letters.len()).collect(),
        };
        for unit in units {
            let now = share.state_of(unit);
            if now == one.state {
                if !steps.iter().any(|s| s.unit == unit) {
                    steps.push(Step { unit, state: now, fresh: false });
                }
            } else if may_step(now, one.state, place.more) {
                share.decide(unit, one.state);
                if one.state == State::Failed {
                    let code = one.code.as_deref().unwrap_or("failed");
                    let text = one.text.as_deref().unwrap_or("the platform could not deliver it");
                    share.note_error(unit, code, text);
                } else {
                    // It did arrive after all.
                    share.errors.retain(|e| e.index as usize != unit);
                }
                steps.retain(|s| s.unit != unit);
                steps.push(Step { unit, state: one.state, fresh: true });
            }
        }
    }
}

/// Whether a receipt may make this step.
fn may_step(now: State, next: State, more: bool) -> bool {
    let arrived = matches!(next, State::Sent | State::Delivered | State::Read);
    let known = arrived || matches!(next, State::Failed | State::Recalled);
    // One of several parts says nothing of the whole.
    if !known || !now.may_become(next) || (more && arrived) {
        return false;
    }
    // What is tried again anyway is not failed by the news of an earlier try.
    now.is_decided() || arrived
}

/// The recipients of a push that the platform names by this address.
fn named(place: &Place, share: &Share, people: &[Recipient], to: &str) -> Vec<usize> {
    if share.letters.len() == 1 {
        return vec![0];
    }
    let with = |same: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let units = place.units.iter().filter(|unit| *unit < share.letters.len());
        units.filter(|u| people.get(*u).is_some_and(|p| p.addresses.iter().any(|(_, a)| same(a)))).collect()
    };
    // WeCom's ids and the domains of mail come back in another case at times.
    let exact = with(&|address| address == to);
    if exact.is_empty() { with(&|address| address.eq_ignore_ascii_case(to)) } else { exact }
}

/// The write that changes a share's letters, if nobody changed them since it was read.
fn update(
    center: &Center,
    project: &str,
    id: MessageId,
    before: &Share,
    share: &mut Share,
    noted: Option<Final>,
) -> Result<Op> {
    let letters = |share: &Share| String::from_utf8_lossy(&share.letters).into_owned();
    let conds = vec![
        Cond::Eq(attr::PHASE.into(), before.phase.as_str().into()),
        Cond::Eq(attr::ATTEMPT.into(), Attr::Num(before.attempt)),
        Cond::Eq(attr::LETTERS.into(), letters(before).into()),
    ];
    let mut changes = vec![
        Change::set(attr::LETTERS, letters(share)),
        Change::set(attr::ERRORS, serde_json::to_vec(&share.errors)?),
    ];
    if share.phase == Phase::Retrying && share.open().is_empty() {
        // Nobody is left to try for: what was thought lost has arrived.
        share.phase = Phase::Final;
        changes.push(Change::set(attr::PHASE, share.phase.as_str()));
        if share.index != 0 {
            changes.push(Change::Expire(Some(center.clock.now().after(center.tuning.retention))));
        }
    }
    let key = match share.index {
        0 => keys::head(project, id, center.spread),
        index => keys::share(project, id, index, center.spread),
    };
    if let (0, Some(noted)) = (share.index, noted) {
        changes.push(Change::set(attr::final_of(0), noted.later(now_counts(share, &noted)).encode()));
    }
    Ok(Op::Update(key, changes, conds))
}

/// Brings the head's note of a share up to what the share says. Whoever comes last writes what is true for all.
async fn adjust(center: &Center, project: &str, id: MessageId, index: u32) -> Result<()> {
    for _ in 0..TRIES {
        let Some(head) = load::head(center, project, id).await? else { return Ok(()) };
        let Some(share) = load::share(center, project, id, &head, index).await? else { return Ok(()) };
        let Some(noted) = head.finals.iter().find(|f| f.share == index).copied() else { return Ok(()) };
        let counts = now_counts(&share, &noted);
        if counts == noted.now() {
            return Ok(());
        }
        let name = attr::final_of(index);
        let change = Change::set(name.clone(), noted.later(counts).encode());
        let same = Cond::Eq(name.into(), noted.encode().into());
        match center.store.write(Op::Update(head.key, vec![change], vec![same])).await {
            Ok(_) => return Ok(()),
            Err(WriteError::Conflict(_)) => {}
            Err(WriteError::Failed(error)) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::Unavailable, "a head changes too often for a receipt").with("message", id))
}

/// A share's recipients by state, without those that went on to another channel.
fn now_counts(share: &Share, noted: &Final) -> Counts {
    let mut counts = share.counts();
    let moved = counts.total().saturating_sub(noted.counts.total());
    counts.take(State::Failed, moved);
    counts
}

fn count(entry: &ChannelEntry, steps: &[Step]) {
    let kind = entry.doc.kind.as_str();
    for step in steps.iter().filter(|s| s.fresh) {
        metrics::counter!("message_center_receipts_total", "kind" => kind, "state" => step.state.as_str())
            .increment(1);
    }
}

/// The events of a receipt, each with its recipients.
///
/// An event's id follows from message, share, recipients and state, so that a repeat is the same event. A repeat of
/// several recipients' news at once cannot tell which of them were told together, and tells nothing.
pub(crate) fn grouped(id: MessageId, share: u32, steps: &[Step]) -> Vec<(String, EventKind, Vec<usize>)> {
    const TOLD: [(State, EventKind); 5] = [
        (State::Sent, EventKind::DeliverySent),
        (State::Delivered, EventKind::DeliveryDelivered),
        (State::Read, EventKind::DeliveryRead),
        (State::Failed, EventKind::DeliveryFailed),
        (State::Recalled, EventKind::DeliveryRecalled),
    ];
    let alone = steps.len() == 1;
    let mut events = Vec::new();
    for (state, kind) in TOLD {
        let units: Vec<usize> =
            steps.iter().filter(|s| s.state == state && (s.fresh || alone)).map(|s| s.unit).collect();
        let Some(first) = units.first() else { continue };
        let word = state.as_str();
        let event = match units.len() {
            1 => format!("evt_{}-{share}-{first}-{word}", id.ulid()),
            _ => {
                let all = super::Units::new(units.clone()).encode();
                let hash = digest(&SHA256, all.as_bytes());
                let short: String = hash.as_ref().iter().take(6).map(|b| format!("{b:02x}")).collect();
                format!("evt_{}-{share}-{short}-{word}", id.ulid())
            }
        };
        events.push((event, kind, units));
    }
    events
}
