//! Cancelling, and sending again to those who were not reached.

use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::{Attempt, DeliveryPlan, Mode, Outcome, Recipient};
use mc_core::ports::{Attr, Batching, Change, Commit, Cond, Op, WriteError};
use mc_core::state::State;
use mc_core::{Error, ErrorKind, Timestamp};

use super::message::{self, MessageView};
use crate::accept::commit::{self, Accepted, AcceptedDelivery, Answer, Draft, DraftPart};
use crate::accept::earlier::{Earlier, record};
use crate::accept::{Caller, Idempotency, Refusal};
use crate::center::Center;
use crate::deliver::{load, settle};
use crate::share::{Head, Phase, Share, attr};
use crate::stats::{Count, Numbers, Part};
use crate::upcoming::{self, Upcoming};
use crate::{keys, quota};

/// Stops what is not yet claimed.
pub async fn cancel(center: &Center, caller: &Caller, id: MessageId) -> Result<MessageView, Refusal> {
    let project = &*caller.project;
    if !caller.channels.is_empty() {
        let head = load::head(center, project, id).await?.ok_or(Refusal::NotFound("message"))?;
        caller.check_message(&head.doc)?;
    }
    if call_off(center, project, id, None).await? == 0 {
        return Err(Refusal::Conflict {
            code: "too_late",
            detail: "everything of this message is already being sent or decided".into(),
        });
    }
    message::get(center, project, id).await?.ok_or(Refusal::NotFound("message"))
}

/// Stops what is not yet claimed, and notes why if somebody else than a person decided it; answers how many shares.
pub(crate) async fn call_off(
    center: &Center,
    project: &str,
    id: MessageId,
    why: Option<(&str, &str)>,
) -> Result<usize, Refusal> {
    let head = load::head(center, project, id).await?.ok_or(Refusal::NotFound("message"))?;
    let now = center.clock.now();
    let mut stopped = 0;
    // Whatever happens next, nothing new begins for this message.
    let mark = Op::Update(
        head.key.clone(),
        vec![Change::set(attr::CANCELED, now)],
        vec![Cond::Exists, Cond::Absent(attr::CANCELED.into())],
    );
    if !head.is_final() {
        match center.store.write(mark).await {
            Ok(_) => give_back(center, project, &head, now).await?,
            Err(WriteError::Conflict(_)) => {}
            Err(WriteError::Failed(error)) => return Err(error.into()),
        }
    }
    for mut share in message::shares(center, project, id, &head).await? {
        if matches!(share.phase, Phase::Queued | Phase::Retrying)
            && stop(center, project, id, &mut share, now, why).await?
        {
            if let Some(part) = Part::of(project, &head.doc, share.delivery) {
                let n = share.counts().get(State::Canceled);
                center.stats.add(now, &part, &Numbers::of(Count::Canceled, u64::from(n)));
            }
            settle(center, project, id, &share).await?;
            stopped += 1;
        }
    }
    if stopped > 0
        && let Some(at) = head.doc.send_at.filter(|at| *at > now)
    {
        let mut commit = Commit::default();
        upcoming::removed(center, &Upcoming::Message { project, id }, at, &mut commit);
        center.store.commit(commit).await.map_err(mc_core::Error::from)?;
    }
    Ok(stopped)
}

/// What the message reserved is free again. A crash before this keeps it until the time it was reserved for.
async fn give_back(center: &Center, project: &str, head: &Head, now: Timestamp) -> Result<(), Refusal> {
    let Some(at) = head.doc.send_at.filter(|at| *at > now) else { return Ok(()) };
    let promises = quota::of_message(center, project, &head.doc, at, -1).await?;
    let ops = quota::writes(project, &promises, now);
    center.store.commit(Commit { ops, ..Commit::default() }).await.map_err(mc_core::Error::from)?;
    Ok(())
}

/// Decides a share's open recipients as cancelled, unless it was claimed meanwhile.
async fn stop(
    center: &Center,
    project: &str,
    id: MessageId,
    share: &mut Share,
    now: Timestamp,
    why: Option<(&str, &str)>,
) -> Result<bool, Refusal> {
    let key = if share.index == 0 {
        keys::head(project, id, center.spread)
    } else {
        keys::share(project, id, share.index, center.spread)
    };
    let before = share.phase;
    for i in share.open() {
        share.decide(i, State::Canceled);
    }
    share.phase = Phase::Final;
    if let Some((code, text)) = why {
        share.note_attempt(Attempt {
            at: now,
            ms: 0,
            outcome: Outcome::Canceled,
            code: Some(code.to_owned()),
            text: Some(text.to_owned()),
            next: None,
            warnings: Vec::new(),
        });
    }
    let mut changes = share.changes()?;
    changes.push(Change::Expire(Some(now.after(center.tuning.retention))));
    let conds = vec![
        Cond::Eq(attr::PHASE.into(), before.as_str().into()),
        Cond::Eq(attr::ATTEMPT.into(), Attr::Num(share.attempt)),
    ];
    match center.store.write(Op::Update(key, changes, conds)).await {
        Ok(_) => Ok(true),
        Err(WriteError::Conflict(_)) => Ok(false),
        Err(WriteError::Failed(error)) => Err(error.into()),
    }
}

/// A new message for those who failed or are held in doubt; the answer has one outcome.
///
/// With an `Idempotency-Key` a repeat is answered like the first request, as for every other message.
pub async fn retry(
    center: &Center,
    caller: &Caller,
    id: MessageId,
    idempotency: Option<Idempotency>,
) -> Result<Answer, Refusal> {
    if let Some(idempotency) = &idempotency
        && let Some(earlier) = Earlier::find(center, caller, idempotency, center.clock.now()).await?
    {
        if earlier.missing.is_empty() {
            return earlier.replay(center, caller).await;
        }
        // It ended between its record and its message, which gets the id that was recorded.
        let Some(commit::Outcome::Accepted(accepted)) = earlier.outcomes.into_iter().next() else {
            return Err(Error::new(ErrorKind::Corrupt, "a retry's record names no message").into());
        };
        let answer = send_again(center, caller, id, accepted.id, None).await?;
        return Ok(Answer { replayed: true, ..answer });
    }
    let again = MessageId::new(center.ids.ulid(center.clock.now()));
    commit::within_limits(center, caller, 1, send_again(center, caller, id, again, idempotency)).await
}

async fn send_again(
    center: &Center,
    caller: &Caller,
    id: MessageId,
    again: MessageId,
    idempotency: Option<Idempotency>,
) -> Result<Answer, Refusal> {
    let project = &*caller.project;
    let head = load::head(center, project, id).await?.ok_or(Refusal::NotFound("message"))?;
    let shares = message::shares(center, project, id, &head).await?;
    let mut parts: Vec<DraftPart> = Vec::new();
    for share in &shares {
        if let Some(part) = unreached(center, project, id, &head, &shares, share).await? {
            match parts.iter_mut().find(|p| p.delivery == part.delivery) {
                Some(same) => same.recipients.extend(part.recipients),
                None => parts.push(part),
            }
        }
    }
    if parts.is_empty() {
        return Err(Refusal::Conflict {
            code: "nothing_to_retry",
            detail: "no recipient of this message has failed or is in doubt".into(),
        });
    }
    match head.doc.mode {
        Mode::All => {
            for part in &parts {
                caller.check_channel(&head.doc.deliveries[part.delivery].channel, "")?;
            }
        }
        // Those whom the first channel does not reach go on to the next.
        Mode::First => caller.check_message(&head.doc)?,
    }
    parts.sort_by_key(|p| p.delivery);
    let now = center.clock.now();
    let mut doc = head.doc.clone();
    for (i, plan) in doc.deliveries.iter_mut().enumerate() {
        plan.recipients = parts.iter().find(|p| p.delivery == i).map_or(0, |p| p.count(plan));
    }
    doc.to = Vec::new();
    doc.send_at = None;
    doc.condition = None;
    doc.expire_at = doc.expire_at.filter(|at| *at > now.after(Duration::from_secs(1)));
    doc.created_at = now;
    doc.request_id = Some(caller.request_id.clone());
    doc.sender = Some(caller.sender.clone());
    doc.retry_of = Some(id);
    let deliveries = doc
        .deliveries
        .iter()
        .enumerate()
        .filter(|(_, plan)| plan.recipients > 0)
        .map(|(i, plan)| AcceptedDelivery {
            id: again.delivery(i),
            channel: plan.channel.clone(),
            recipients: plan.recipients as usize,
        })
        .collect();
    let accepted = Accepted {
        id: again,
        status: mc_core::state::MessageStatus::Queued,
        template: doc.template.clone(),
        deliveries,
        url: format!("/v1/messages/{again}"),
    };
    let draft = Draft { id: again, project: caller.project.clone(), doc: doc.clone(), parts, start: now };
    let outcomes = vec![commit::Outcome::Accepted(accepted)];
    let mut commit = Commit::default();
    if let Some(idempotency) = &idempotency {
        commit.guard = Some(record(caller, idempotency, &outcomes, now)?);
    }
    draft.add_to(center, &mut commit)?;
    let answer = commit::write(center, caller, commit, outcomes, idempotency, &[]).await?;
    if !answer.replayed {
        for (delivery, plan) in doc.deliveries.iter().enumerate() {
            if let Some(part) = Part::of(project, &doc, delivery) {
                center.stats.add(now, &part, &Numbers::of(Count::Accepted, u64::from(plan.recipients)));
            }
        }
    }
    Ok(answer)
}

impl DraftPart {
    fn count(&self, _plan: &DeliveryPlan) -> u32 {
        if self.broadcast { 1 } else { self.recipients.len() as u32 }
    }
}

/// The recipients of a share that were not reached and did not go on to another channel.
async fn unreached(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    shares: &[Share],
    share: &Share,
) -> Result<Option<DraftPart>, Refusal> {
    if share.phase != Phase::Final {
        return Ok(None);
    }
    let failed: Vec<usize> = (0..share.letters.len())
        .filter(|i| matches!(share.state_of(*i), State::Failed | State::InDoubt))
        .collect();
    let plan = &head.doc.deliveries[share.delivery];
    let broadcast = crate::repo::Channels::capability(plan.kind).batching == Batching::Broadcast;
    // Those who went on are counted where they went; they are repeated from there.
    let (first, count) = head.finals.iter().find(|f| f.share == share.index).map_or((0, 0), |f| f.next);
    if failed.is_empty() || (broadcast && count > 0) {
        return Ok(None);
    }
    let people = load::recipients(center, project, id, share, &head.doc).await?;
    let recipients = if broadcast {
        people
    } else {
        let mut elsewhere = Vec::new();
        for next in shares.iter().filter(|next| (first..first + count).contains(&next.index)) {
            elsewhere.extend(load::recipients(center, project, id, next, &head.doc).await?);
        }
        let stayed = failed.into_iter().filter_map(|i| people.get(i)).filter(|who| !elsewhere.contains(who));
        stayed.cloned().collect::<Vec<Recipient>>()
    };
    let part = DraftPart { delivery: share.delivery, broadcast, recipients, suppressed: Vec::new() };
    Ok((broadcast || !part.recipients.is_empty()).then_some(part))
}
