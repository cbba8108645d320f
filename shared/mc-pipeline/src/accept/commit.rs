//! Writing what was accepted: shares first, heads last, then the queue, all in one commit.

use std::sync::Arc;
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::{AttachmentRef, DeliveryPlan, MessageDoc, Recipient};
use mc_core::ports::{Attrs, Commit, Group, Item, Op, Outgoing, Task, WriteError};
use mc_core::state::{MessageStatus, State};
use mc_core::{Error, Result as CoreResult};
use serde::{Deserialize, Serialize};

use super::earlier::{Earlier, RefusedBefore, record};
use super::entering::{Entering, count_all};
use super::plan::{self, Plan};
use super::request::SendRequest;
use super::{Caller, Idempotency, Refusal};
use crate::center::Center;
use crate::limits::Standing;
use crate::people::Suppressed;
use crate::share::{self, Share, attr};
use crate::upcoming::{self, Upcoming};
use crate::{condition, due, keys, oldest, quota};

/// The answer to a message that was accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// `queued` or `scheduled`.
    pub status: MessageStatus,
    /// The template it keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<mc_core::model::TemplateRef>,
    /// What begins.
    pub deliveries: Vec<AcceptedDelivery>,
    /// Where to look at it.
    pub url: String,
}

/// One channel's part of an accepted message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AcceptedDelivery {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// How many recipients.
    pub recipients: usize,
}

/// What became of one message of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It can no longer be lost.
    Accepted(Accepted),
    /// It was refused; nothing of it was kept.
    Refused(Refusal),
    /// It was refused when the request came the first time.
    RefusedBefore(RefusedBefore),
}

/// The answer to a request of one or many messages.
#[derive(Debug)]
pub struct Answer {
    /// One per message, in order.
    pub outcomes: Vec<Outcome>,
    /// Whether an earlier request with the same key was answered again.
    pub replayed: bool,
    /// The project's limits as they stand, where they hold.
    pub limits: Vec<Standing>,
}

impl Answer {
    /// How many messages were accepted now, and not by an earlier request.
    fn accepted(&self) -> usize {
        let accepted = |outcome: &&Outcome| matches!(outcome, Outcome::Accepted(_));
        if self.replayed { 0 } else { self.outcomes.iter().filter(accepted).count() }
    }
}

/// Accepts messages: each by itself, all that pass in one commit.
///
/// With an `Idempotency-Key` the record of the key is written in the same commit; a second request with the key and
/// the same body is answered from it, and completes what a crash behind the record has left out.
///
/// Its stages are boxed: a request that waits needs no room for more than its own, and is not moved about as a whole.
pub async fn accept(
    center: &Center,
    caller: &Caller,
    requests: Vec<Result<SendRequest, Refusal>>,
    idempotency: Option<Idempotency>,
) -> Result<Answer, Refusal> {
    let now = center.clock.now();
    if let Some(idempotency) = &idempotency
        && let Some(earlier) = Earlier::find(center, caller, idempotency, now).await?
    {
        return Box::pin(earlier.complete(center, caller, requests, now)).await;
    }
    let count = requests.len();
    let work = Box::pin(lay_out_all(center, caller, requests, idempotency));
    within_limits(center, caller, count, work).await
}

/// Does `work` if the project's limits have room for `count` messages. What it did not accept does not count for the day.
pub async fn within_limits(
    center: &Center,
    caller: &Caller,
    count: usize,
    work: impl Future<Output = Result<Answer, Refusal>>,
) -> Result<Answer, Refusal> {
    let project = match caller.limited {
        true => center.projects.get(&caller.project).await?,
        false => None,
    };
    let Some(project) = project.filter(|project| !project.limits.is_none()) else { return work.await };
    let mut taken = center.limits.take(&caller.project, &project.limits, count, center.clock.now()).await?;
    let answer = work.await;
    let accepted = answer.as_ref().map_or(0, Answer::accepted);
    // The messages are accepted or refused already: a count that cannot be put right does not change that.
    if let Err(error) = center.limits.give_back(&caller.project, &mut taken, count - accepted).await {
        tracing::warn!(error = %error, project = &*caller.project, "a day's count was not given back");
    }
    answer.map(|answer| Answer { limits: taken.standing, ..answer })
}

async fn lay_out_all(
    center: &Center,
    caller: &Caller,
    requests: Vec<Result<SendRequest, Refusal>>,
    idempotency: Option<Idempotency>,
) -> Result<Answer, Refusal> {
    let now = center.clock.now();
    let mut commit = Commit::default();
    let mut promises = Vec::new();
    let mut outcomes = Vec::with_capacity(requests.len());
    let mut counted = Vec::with_capacity(requests.len());
    for request in requests {
        let id = MessageId::new(center.ids.ulid(now));
        let planned = match request {
            Ok(request) => plan::plan(center, caller, request, id, now).await,
            Err(refusal) => Err(refusal),
        };
        outcomes.push(match planned {
            Ok(plan) => {
                if let Some(at) = plan.request.send_at.filter(|at| *at > now) {
                    let parts = plan.beginning().map(|(_, part)| part);
                    promises.extend(parts.filter_map(|p| quota::of_delivery(&p.channel, p.count(), at, 1)));
                }
                let into = (&mut commit, &mut counted, outcomes.len());
                Outcome::Accepted(lay_out(center, caller, plan, id, now, into).await?)
            }
            // Only the store's own trouble ends the whole request.
            Err(Refusal::Failed(error)) => return Err(Refusal::Failed(error)),
            Err(refusal) => Outcome::Refused(refusal),
        });
    }
    if !outcomes.iter().any(|o| matches!(o, Outcome::Accepted(_))) {
        return Ok(Answer { outcomes, replayed: false, limits: Vec::new() });
    }
    commit.ops.extend(quota::writes(&caller.project, &promises, now));
    if let Some(idempotency) = &idempotency {
        commit.guard = Some(record(caller, idempotency, &outcomes, now)?);
    }
    write(center, caller, commit, outcomes, idempotency, &counted).await
}

/// Writes what was laid out, and counts those who came with it. If another request with the same key was faster, its answer
/// is ours.
pub(crate) async fn write(
    center: &Center,
    caller: &Caller,
    commit: Commit,
    outcomes: Vec<Outcome>,
    idempotency: Option<Idempotency>,
    counted: &[Entering],
) -> Result<Answer, Refusal> {
    match center.store.commit(commit).await {
        Ok(_) => {
            for outcome in &outcomes {
                if let Outcome::Accepted(accepted) = outcome {
                    note_accepted(accepted);
                }
            }
            count_all(counted, center, caller, &outcomes, center.clock.now());
            Ok(Answer { outcomes, replayed: false, limits: Vec::new() })
        }
        // The same key at the same instant: the other one won, answer what it answered.
        Err(WriteError::Conflict(_)) => match idempotency {
            Some(idempotency) => {
                let earlier = Earlier::find(center, caller, &idempotency, center.clock.now()).await?;
                // It may still be at it. Whoever comes again later completes what it has not.
                match earlier {
                    Some(earlier) if earlier.missing.is_empty() => {
                        Box::pin(earlier.replay(center, caller)).await
                    }
                    Some(_) | None => Err(Refusal::Failed(Error::new(
                        mc_core::ErrorKind::Unavailable,
                        "the same request is being carried out; send it again",
                    ))),
                }
            }
            None => Err(Refusal::Failed(Error::new(
                mc_core::ErrorKind::Internal,
                "a commit without guard conflicted",
            ))),
        },
        Err(WriteError::Failed(error)) => Err(Refusal::Failed(error)),
    }
}

/// Counts a message that can no longer be lost.
pub(super) fn note_accepted(accepted: &Accepted) {
    metrics::counter!("message_center_messages_accepted_total").increment(1);
    tracing::debug!(message.id = %accepted.id, "accepted");
}

/// Adds a planned message to the commit.
pub(super) async fn lay_out(
    center: &Center,
    caller: &Caller,
    mut plan: Plan,
    id: MessageId,
    now: Timestamp,
    (commit, counted, message): (&mut Commit, &mut Vec<Entering>, usize),
) -> CoreResult<Accepted> {
    let start = plan.request.send_at.map_or(now, |at| at.max(now));
    let beginning: Vec<usize> = plan.beginning().map(|(i, _)| i).collect();
    let deliveries = plan
        .parts
        .iter()
        .enumerate()
        .map(|(i, p)| DeliveryPlan {
            channel: p.channel.name.to_string(),
            kind: p.channel.doc.kind,
            recipients: if beginning.contains(&i) { p.count() as u32 } else { 0 },
        })
        .collect();
    let accepted = Accepted {
        id,
        status: if start > now { MessageStatus::Scheduled } else { MessageStatus::Queued },
        template: plan.template.as_ref().map(|(reference, _)| reference.clone()),
        deliveries: beginning
            .iter()
            .map(|i| AcceptedDelivery {
                id: id.delivery(*i),
                channel: plan.parts[*i].channel.name.to_string(),
                recipients: plan.parts[*i].count(),
            })
            .collect(),
        url: format!("/v1/messages/{id}"),
    };
    let attachments = keep_attachments(center, &mut plan, id, start).await?;
    let request = plan.request;
    let mut draft = Draft {
        id,
        project: caller.project.clone(),
        doc: MessageDoc {
            template: plan.template.map(|(reference, _)| reference),
            content: request.content,
            data: request.data,
            to: Vec::new(),
            mode: plan.mode,
            deliveries,
            overrides: request.overrides,
            attachments,
            send_at: request.send_at,
            expire_at: request.expire_at,
            condition: request.condition,
            priority: request.priority,
            reference: request.reference,
            tags: request.tags,
            created_at: now,
            request_id: Some(caller.request_id.clone()),
            sender: Some(caller.sender.clone()),
            retry_of: None,
        },
        parts: Vec::new(),
        start,
    };
    for index in beginning {
        let part = &mut plan.parts[index];
        counted.push(Entering {
            channel: part.channel.clone(),
            message,
            recipients: part.count() as u64,
            suppressed: part.suppressed.len() as u64,
        });
        draft.parts.push(DraftPart {
            delivery: index,
            broadcast: part.broadcast,
            recipients: std::mem::take(&mut part.recipients),
            suppressed: std::mem::take(&mut part.suppressed),
        });
    }
    draft.add_to(center, commit)?;
    Ok(accepted)
}

async fn keep_attachments(
    center: &Center,
    plan: &mut Plan,
    id: MessageId,
    start: Timestamp,
) -> CoreResult<Vec<AttachmentRef>> {
    let mut kept = Vec::with_capacity(plan.request.attachments.len());
    let files = std::mem::take(&mut plan.files);
    for (i, (attachment, file)) in
        std::mem::take(&mut plan.request.attachments).into_iter().zip(files).enumerate()
    {
        // Filed under the day it is sent, so that a file outlives a long schedule.
        let blob = format!("{}/{}.{i}", start.day(), id.ulid());
        let size = file.as_ref().map(|f| f.len() as u64);
        let stored = match file {
            Some(bytes) => {
                center.blobs.put(&blob, bytes).await?;
                Some(blob)
            }
            None => None,
        };
        kept.push(AttachmentRef {
            filename: attachment.filename,
            content_type: attachment.content_type,
            blob: stored,
            url: attachment.url,
            size,
        });
    }
    Ok(kept)
}

/// A message about to be written, whether it was asked for or repeats another's failed recipients.
pub struct Draft {
    /// Its id.
    pub id: MessageId,
    /// Its project.
    pub project: Arc<str>,
    /// What was accepted, without recipients.
    pub doc: MessageDoc,
    /// Who gets it, by delivery.
    pub parts: Vec<DraftPart>,
    /// Not before.
    pub start: Timestamp,
}

/// The recipients of one delivery.
pub struct DraftPart {
    /// Which delivery.
    pub delivery: usize,
    /// Whether one push reaches them all.
    pub broadcast: bool,
    /// Who.
    pub recipients: Vec<Recipient>,
    /// Those of them that nothing is sent to, by their place, and why.
    pub suppressed: Vec<(usize, Suppressed)>,
}

/// The recipients of one share that is about to be written.
struct DraftShare {
    delivery: usize,
    letters: usize,
    recipients: Vec<Recipient>,
    suppressed: Vec<(usize, Suppressed)>,
}

impl DraftPart {
    /// Divides the part into shares.
    fn into_shares(self) -> Vec<DraftShare> {
        let Self { delivery, broadcast, recipients, suppressed } = self;
        if broadcast {
            return vec![DraftShare { delivery, letters: 1, recipients, suppressed: Vec::new() }];
        }
        let (mut rest, mut marked) = (recipients, suppressed.into_iter().peekable());
        let (mut shares, mut begin) = (Vec::new(), 0);
        while !rest.is_empty() {
            let tail = rest.split_off(rest.len().min(share::MAX_RECIPIENTS));
            let end = begin + rest.len();
            let mut suppressed = Vec::new();
            while let Some((place, why)) = marked.next_if(|(place, _)| *place < end) {
                suppressed.push((place - begin, why));
            }
            shares.push(DraftShare { delivery, letters: rest.len(), recipients: rest, suppressed });
            (rest, begin) = (tail, end);
        }
        shares
    }
}

impl Draft {
    /// Adds the message's items and tasks to a commit: shares first, the head last.
    pub fn add_to(mut self, center: &Center, commit: &mut Commit) -> CoreResult<()> {
        let parts = std::mem::take(&mut self.parts);
        let shares: Vec<DraftShare> = parts.into_iter().flat_map(DraftPart::into_shares).collect();
        let count = shares.len() as i64;
        let mut inline = None;
        let alone = shares.len() == 1;
        for (index, draft) in (1..).zip(shares) {
            let DraftShare { delivery, letters, recipients, suppressed } = draft;
            let within = alone && (recipients.len() <= 1 || size_of(&recipients)? <= share::INLINE_BYTES);
            let mut share = Share::new(if within { 0 } else { index }, delivery, letters, self.start);
            for (place, why) in suppressed {
                share.decide(place, State::Suppressed);
                share.note_error(place, why.code, &why.text);
            }
            if self.doc.condition.is_none() {
                self.task(center, share.index, delivery, commit)?;
            }
            if within {
                self.doc.to = recipients;
                inline = Some(share);
            } else {
                add_share(center, &self.project, self.id, &share, &recipients, commit)?;
            }
        }
        let mut attrs =
            Attrs::new().with(attr::DOC, serde_json::to_vec(&self.doc)?).with(attr::SHARES, count);
        if let Some(share) = inline {
            share.begin(&mut attrs)?;
        }
        if self.doc.condition.is_some() {
            // The shares wait for the answer; who asks sends their tasks.
            let asking = condition::task(&self.project, self.id, self.doc.priority, 0);
            due::send_at(center, asking, self.start, commit)?;
        }
        if let Some(reference) = &self.doc.reference {
            let key = mc_core::ports::Key::new(
                keys::reference_partition(&self.project, reference),
                self.id.ulid().to_string(),
            );
            let forget = self.start.after(center.tuning.retention);
            commit.ops.push(Op::put_new(Item::new(key, Attrs::new()).expiring(forget)));
        }
        if self.start > self.doc.created_at {
            let message = Upcoming::Message { project: &self.project, id: self.id };
            upcoming::planned(center, &message, self.start, commit)?;
        }
        oldest::note(center, &self.project, self.id, self.start, commit);
        commit.then.push(Op::put_new(Item::new(keys::head(&self.project, self.id, center.spread), attrs)));
        Ok(())
    }

    /// The task of one share: into the queue, or into the due index when it lies far ahead.
    fn task(&self, center: &Center, share: u32, delivery: usize, commit: &mut Commit) -> CoreResult<()> {
        let plan = &self.doc.deliveries[delivery];
        let outgoing = Outgoing {
            family: plan.kind.family(),
            group: Group::of(&self.project, self.doc.priority),
            task: Task::Deliver {
                project: self.project.clone(),
                message: self.id,
                share,
                channel: plan.channel.as_str().into(),
                slot: None,
            },
            delay: Duration::ZERO,
        };
        due::send_at(center, outgoing, self.start, commit)
    }
}

/// Adds a share with items of its own.
pub fn add_share(
    center: &Center,
    project: &str,
    id: MessageId,
    share: &Share,
    recipients: &[Recipient],
    commit: &mut Commit,
) -> CoreResult<()> {
    let mut attrs = Attrs::new();
    share.begin(&mut attrs)?;
    if recipients.len() <= share::MAX_RECIPIENTS && size_of(recipients)? <= share::INLINE_BYTES {
        attrs.set(attr::RECIPIENTS, serde_json::to_vec(recipients)?);
    } else {
        // Recipients are written once and never again, so they are told at once when to be forgotten.
        let forget = share.due.after(center.tuning.retention + center.tuning.give_up_after);
        for (chunk, some) in recipients.chunks(share::MAX_RECIPIENTS).enumerate() {
            let key = keys::cold(project, id, share.index, chunk, center.spread);
            let cold = Attrs::new().with(attr::RECIPIENTS, serde_json::to_vec(some)?);
            commit.ops.push(Op::put_new(Item::new(key, cold).expiring(forget)));
        }
    }
    commit.ops.push(Op::put_new(Item::new(keys::share(project, id, share.index, center.spread), attrs)));
    Ok(())
}

fn size_of(recipients: &[Recipient]) -> CoreResult<usize> {
    Ok(serde_json::to_vec(recipients)?.len())
}
