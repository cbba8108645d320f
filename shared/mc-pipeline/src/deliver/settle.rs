//! Telling a message's head that a share is decided, and going on from there.

use mc_core::id::MessageId;
use mc_core::model::{Mode, Recipient};
use mc_core::ports::{Attr, Batching, Change, Commit, Cond, Group, Op, Outgoing, Task, WriteError};
use mc_core::state::State;
use mc_core::{Result, Timestamp};

use super::load;
use crate::accept::commit::add_share;
use crate::center::Center;
use crate::share::{self, Final, Head, Share, attr};
use crate::{oldest, tell};

/// Notes a decided share in its message's head, begins what follows in mode `first`, and tells the webhooks.
///
/// Idempotent: a share that is noted already is told again, with the same event ids.
pub async fn settle(center: &Center, project: &str, id: MessageId, share: &Share) -> Result<()> {
    loop {
        let Some(head) = load::head(center, project, id).await? else { return Ok(()) };
        let noted = head.finals.iter().find(|f| f.share == share.index).copied();
        let settling = Settling::plan(center, project, id, &head, share, noted).await?;
        let last = settling.last;
        if noted.is_some() {
            if last.next.1 > 0 {
                // The follow-ups may be missing after a crash: those that are there stay as they are.
                center.store.commit(settling.commit(None)).await?;
            }
            return tell::settled(center, project, id, &head, share, last).await;
        }
        let key = head.key.clone();
        let changes = settling.changes(center);
        let conds = settling.conds(&head);
        match center.store.commit(settling.commit(Some(Op::Update(key, changes, conds)))).await {
            Ok(Some(item)) => {
                return tell::settled(center, project, id, &Head::read(&item)?, share, last).await;
            }
            Ok(None) => return Ok(()),
            // Another share of the message was noted at the same time: look again.
            Err(WriteError::Conflict(_)) => {}
            Err(WriteError::Failed(error)) => return Err(error),
        }
    }
}

/// The same for a share that lives in its head: its outcome and the head's note are one write.
///
/// Nothing else changes a head whose only share is claimed, so it need not be read again. `also` is made with it.
pub async fn settle_inline(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    share: &Share,
    (mut changes, mut conds): (Vec<Change>, Vec<Cond>),
    also: Commit,
) -> std::result::Result<(), WriteError> {
    let mut settling = Settling::plan(center, project, id, head, share, None).await?;
    settling.next.ops.extend(also.ops);
    settling.next.tasks.extend(also.tasks);
    changes.extend(settling.changes(center));
    conds.extend(settling.conds(head));
    let last = settling.last;
    let guard = Op::Update(head.key.clone(), changes, conds);
    let written = center.store.commit(settling.commit(Some(guard))).await?.is_some();
    if written && tell::anybody(center, project).await? {
        let mut head = Box::new(head.clone());
        head.finals.push(last);
        head.shares += last.next.1;
        Box::pin(tell::settled(center, project, id, &head, share, last)).await?;
    }
    Ok(())
}

/// What noting a share amounts to.
struct Settling {
    last: Final,
    /// Follow-up shares with their recipients, and the tasks that deliver them.
    next: Commit,
}

impl Settling {
    async fn plan(
        center: &Center,
        project: &str,
        id: MessageId,
        head: &Head,
        share: &Share,
        noted: Option<Final>,
    ) -> Result<Self> {
        let now = center.clock.now();
        let (moved, groups) = follow_ups(center, project, id, head, share).await?;
        let mut counts = share.counts();
        counts.take(State::Failed, moved as u32);
        let first = noted.map_or(head.shares + 1, |f| f.next.0);
        let last = noted.unwrap_or(Final {
            share: share.index,
            delivery: share.delivery,
            counts,
            moved: moved as u32,
            changed: None,
            at: now,
            next: (first, groups.len() as u32),
        });
        let mut next = Commit::default();
        if !groups.is_empty() {
            oldest::note(center, project, id, last.at, &mut next);
        }
        for (index, (delivery, broadcast, recipients)) in (first..).zip(groups) {
            let letters = if broadcast { 1 } else { recipients.len() };
            let follow = Share::new(index, delivery, letters, last.at);
            add_share(center, project, id, &follow, &recipients, &mut next)?;
            let plan = &head.doc.deliveries[delivery];
            next.tasks.push(Outgoing {
                family: plan.kind.family(),
                group: Group::of(project, head.doc.priority),
                task: Task::Deliver {
                    project: project.into(),
                    message: id,
                    share: index,
                    channel: plan.channel.as_str().into(),
                    slot: None,
                },
                delay: std::time::Duration::ZERO,
            });
        }
        Ok(Self { last, next })
    }

    fn changes(&self, center: &Center) -> Vec<Change> {
        let mut changes = vec![
            Change::set(attr::final_of(self.last.share), self.last.encode()),
            Change::Expire(Some(self.last.at.after(center.tuning.retention))),
        ];
        if self.last.next.1 > 0 {
            changes.push(Change::Add(attr::SHARES.into(), i64::from(self.last.next.1)));
        }
        changes
    }

    fn conds(&self, head: &Head) -> Vec<Cond> {
        let mut conds = vec![Cond::Absent(attr::final_of(self.last.share).into())];
        if self.last.next.1 > 0 {
            conds.push(Cond::Eq(attr::SHARES.into(), Attr::Num(i64::from(head.shares))));
        }
        conds
    }

    fn commit(self, guard: Option<Op>) -> Commit {
        Commit { guard, ..self.next }
    }
}

/// In mode `first`: how many of those for whom this channel failed for good go on, and with which channels.
async fn follow_ups(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    share: &Share,
) -> Result<(usize, Vec<(usize, bool, Vec<Recipient>)>)> {
    let failed: Vec<usize> =
        (0..share.letters.len()).filter(|i| share.letters[*i] == State::Failed.letter()).collect();
    if head.doc.mode != Mode::First || failed.is_empty() || head.canceled.is_some() {
        return Ok((0, Vec::new()));
    }
    let recipients = load::recipients(center, project, id, share, &head.doc).await?;
    let broadcast = share.letters.len() == 1 && is_broadcast(center, project, head, share.delivery).await?;
    let people: Vec<Recipient> = if broadcast {
        recipients
    } else {
        failed.iter().filter_map(|i| recipients.get(*i).cloned()).collect()
    };
    let mut groups: Vec<(usize, bool, Vec<Recipient>)> = Vec::new();
    let mut taken = vec![false; people.len()];
    for (delivery, plan) in head.doc.deliveries.iter().enumerate().skip(share.delivery + 1) {
        let Some(entry) = center.channels.find(project, &plan.channel).await?.live() else { continue };
        let capability = entry.channel.capability();
        let all = capability.batching == Batching::Broadcast;
        let mut some = Vec::new();
        for (person, taken) in people.iter().zip(taken.iter_mut()) {
            if !*taken && (all || person.addresses.first_of(capability.addresses).is_some()) {
                *taken = true;
                some.push(person.clone());
            }
        }
        if all && (!some.is_empty() || (people.is_empty() && groups.is_empty())) {
            groups.push((delivery, true, some));
        } else {
            groups.extend(some.chunks(share::MAX_RECIPIENTS).map(|c| (delivery, false, c.to_vec())));
        }
    }
    let moved = match (broadcast, groups.is_empty()) {
        (_, true) => 0,
        (true, false) => failed.len(),
        (false, false) => taken.iter().filter(|t| **t).count(),
    };
    Ok((moved, groups))
}

async fn is_broadcast(center: &Center, project: &str, head: &Head, delivery: usize) -> Result<bool> {
    let plan = &head.doc.deliveries[delivery];
    let entry = center.channels.find(project, &plan.channel).await?.live();
    let capability = entry.map_or_else(
        || crate::repo::Channels::capability(plan.kind).batching,
        |entry| entry.channel.capability().batching,
    );
    Ok(capability == Batching::Broadcast)
}

/// When the last share was decided.
pub fn settle_time(head: &Head) -> Timestamp {
    head.finals.iter().map(|f| f.at).max().unwrap_or(head.doc.created_at)
}
