//! Moving a scheduled message to another time.
//!
//! Every share that is not claimed has a task somewhere, in the queue or in the due index. A task that comes before its
//! share is due goes away and comes back at the new time, so a later time needs no new task; an earlier one gets new
//! tasks, and the old ones will find their work done.

use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::ports::{Attr, Change, Commit, Cond, Group, Item, Key, Op, Outgoing, Query, Task, WriteError};

use super::message::{self, MessageView};
use crate::accept::{Caller, Refusal, plan};
use crate::center::Center;
use crate::share::{Head, Phase, Share, attr};
use crate::upcoming::{self, Upcoming};
use crate::{condition, due, keys, oldest, quota};

/// Gives a message that still waits for its `send_at` another one; `None` is at once.
pub async fn reschedule(
    center: &Center,
    caller: &Caller,
    id: MessageId,
    send_at: Option<Timestamp>,
) -> Result<MessageView, Refusal> {
    let project = &*caller.project;
    let now = center.clock.now();
    let Some(item) = center.store.get(&keys::head(project, id, center.spread)).await? else {
        return Err(Refusal::NotFound("message"));
    };
    let mut head = Head::read(&item)?;
    caller.check_message(&head.doc)?;
    let old = match head.doc.send_at {
        Some(at) if at > now && head.finals.is_empty() && head.canceled.is_none() => at,
        _ => return Err(too_late()),
    };
    let new = send_at.map_or(now, |at| at.max(now));
    if let Some(end) = head.doc.expire_at.filter(|end| *end <= new) {
        let detail = format!("the message expires at {end}, before it would be sent");
        return Err(Refusal::field("invalid_request", "/send_at", detail));
    }
    if let Some(problem) = plan::time_problem(Some(new), head.doc.expire_at, now) {
        return Err(Refusal::fields("invalid_request", vec![problem]));
    }
    if new == old {
        return message::get(center, project, id).await?.ok_or(Refusal::NotFound("message"));
    }
    let shares = message::shares(center, project, id, &head).await?;
    if shares.iter().any(|s| !waits(s)) {
        return Err(too_late());
    }
    head.doc.send_at = Some(new);
    move_attachments(center, &mut head, new).await?;
    let commit = Move { center, project, id, head: &head, old, new }.commit(&item, &shares).await?;
    match center.store.commit(commit).await {
        Ok(_) => message::get(center, project, id).await?.ok_or(Refusal::NotFound("message")),
        // It was claimed, cancelled or moved at the same instant.
        Err(WriteError::Conflict(_)) => Err(too_late()),
        Err(WriteError::Failed(error)) => Err(error.into()),
    }
}

fn too_late() -> Refusal {
    Refusal::Conflict {
        code: "too_late",
        detail: "this message does not wait for its send_at any more".into(),
    }
}

/// Whether nobody has claimed the share yet.
fn waits(share: &Share) -> bool {
    share.phase == Phase::Queued && share.attempt == 0
}

/// Files are forgotten by the day they are sent on, so they move with a later one.
async fn move_attachments(center: &Center, head: &mut Head, new: Timestamp) -> Result<(), Refusal> {
    for file in &mut head.doc.attachments {
        let Some(blob) = &file.blob else { continue };
        let Some((day, name)) = blob.split_once('/') else { continue };
        if *new.day() > *day
            && let Some(bytes) = center.blobs.get(blob).await?
        {
            let moved = format!("{}/{name}", new.day());
            center.blobs.put(&moved, bytes).await?;
            file.blob = Some(moved);
        }
    }
    Ok(())
}

struct Move<'a> {
    center: &'a Center,
    project: &'a str,
    id: MessageId,
    head: &'a Head,
    old: Timestamp,
    new: Timestamp,
}

impl Move<'_> {
    async fn commit(&self, item: &Item, shares: &[Share]) -> Result<Commit, Refusal> {
        let Self { center, project, id, head, new, .. } = self;
        let mut commit = Commit { guard: Some(self.guard(item)?), ..Commit::default() };
        for share in shares {
            if share.index > 0 {
                let key = keys::share(project, *id, share.index, center.spread);
                commit.ops.push(Op::Update(key, vec![Change::set(attr::DUE, *new)], unclaimed(share)));
                self.keep_recipients(share, &mut commit).await?;
            }
            if self.new < self.old && head.doc.condition.is_none() {
                let plan = &head.doc.deliveries[share.delivery];
                let outgoing = Outgoing {
                    family: plan.kind.family(),
                    group: Group::of(project, head.doc.priority),
                    task: Task::Deliver {
                        project: (*project).into(),
                        message: *id,
                        share: share.index,
                        channel: plan.channel.as_str().into(),
                        slot: None,
                    },
                    delay: std::time::Duration::ZERO,
                };
                due::send_at(center, outgoing, *new, &mut commit)?;
            }
        }
        if let Some(reference) = &head.doc.reference {
            let key = Key::new(keys::reference_partition(project, reference), id.ulid().to_string());
            let forget = new.after(center.tuning.retention);
            commit.ops.push(Op::Update(key, vec![Change::Expire(Some(forget))], vec![Cond::Exists]));
        }
        if self.new < self.old && head.doc.condition.is_some() {
            // The shares have no tasks yet; the one that asks comes earlier.
            due::send_at(
                center,
                condition::task(&(*project).into(), *id, head.doc.priority, 0),
                *new,
                &mut commit,
            )?;
        }
        upcoming::moved(center, &Upcoming::Message { project, id: *id }, self.old, *new, &mut commit)?;
        oldest::note(center, project, *id, *new, &mut commit);
        let mut promises = quota::of_message(center, project, &head.doc, self.old, -1).await?;
        promises.extend(quota::of_message(center, project, &head.doc, *new, 1).await?);
        commit.ops.extend(quota::writes(project, &promises, center.clock.now()));
        Ok(commit)
    }

    /// The head says the new time; a head that holds its only share moves it in the same write.
    fn guard(&self, item: &Item) -> Result<Op, Refusal> {
        let moved = item.attrs.num(attr::MOVED);
        let mut changes = vec![
            Change::set(attr::DOC, serde_json::to_vec(&self.head.doc).map_err(mc_core::Error::from)?),
            Change::Add(attr::MOVED.into(), 1),
        ];
        let mut conds = vec![
            moved.map_or(Cond::Absent(attr::MOVED.into()), |n| Cond::Eq(attr::MOVED.into(), Attr::Num(n))),
            Cond::Absent(attr::CANCELED.into()),
            Cond::Exists,
        ];
        if let Some(share) = &self.head.inline {
            changes.push(Change::set(attr::DUE, self.new));
            conds.extend(unclaimed(share));
        }
        Ok(Op::Update(self.head.key.clone(), changes, conds))
    }

    /// What is told at once when to be forgotten is told anew.
    async fn keep_recipients(&self, share: &Share, commit: &mut Commit) -> Result<(), Refusal> {
        let center = self.center;
        if share.recipients.is_some() || self.new < self.old {
            return Ok(());
        }
        let forget = self.new.after(center.tuning.retention + center.tuning.give_up_after);
        let pk = keys::message_partition(self.project, self.id, center.spread);
        let mut query = Query::prefix(pk, keys::cold_prefix(self.id, share.index), 100);
        loop {
            let page = center.store.query(&query).await?;
            for item in &page.items {
                let change = vec![Change::Expire(Some(forget))];
                commit.ops.push(Op::Update(item.key.clone(), change, vec![Cond::Exists]));
            }
            match page.items.last() {
                Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
                _ => return Ok(()),
            }
        }
    }
}

fn unclaimed(share: &Share) -> Vec<Cond> {
    vec![
        Cond::Eq(attr::PHASE.into(), Phase::Queued.as_str().into()),
        Cond::Eq(attr::ATTEMPT.into(), Attr::Num(share.attempt)),
    ]
}
