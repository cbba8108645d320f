//! Claiming a share: one conditional write that also answers it.

use mc_core::model::{Attempt, Outcome};
use mc_core::ports::{Attr, Change, Cond, Item, Key, Op, WriteError};
use mc_core::{Result, Timestamp};

use super::{Job, Step};
use crate::center::Center;
use crate::keys;
use crate::share::{Phase, Share, attr};

/// A share that is ours until its lease ends.
pub struct Claim {
    /// As it is now.
    pub share: Share,
    /// The whole item, so that a head that holds its share is read only once.
    pub item: Item,
    /// Whether an earlier push was begun whose outcome nobody wrote down.
    pub in_doubt: bool,
}

/// What a claim came to.
pub enum Claimed {
    /// It is ours.
    Ours(Box<Claim>),
    /// It is final already.
    Final(Share),
    /// Something else follows.
    Step(Step),
}

/// Where a share lives: number 0 in its message's head, others by themselves.
pub fn key_of(center: &Center, job: &Job) -> Key {
    if job.share == 0 {
        keys::head(&job.project, job.message, center.spread)
    } else {
        keys::share(&job.project, job.message, job.share, center.spread)
    }
}

/// Claims the share if it is due, undecided, and in nobody's hands.
pub async fn claim(center: &Center, job: &Job) -> Result<Claimed> {
    let key = key_of(center, job);
    let now = center.clock.now();
    // A lease from before `leases_from` belongs to a process that is gone.
    let over = now.before(center.tuning.lease).max(center.tuning.leases_from);
    let open = [Phase::Queued, Phase::Sending, Phase::Retrying].map(|p| Attr::from(p.as_str())).to_vec();
    let changes = vec![
        Change::set(attr::PHASE, Phase::Sending.as_str()),
        Change::set(attr::LEASED, now),
        Change::Add(attr::ATTEMPT.into(), 1),
    ];
    let conds = vec![
        Cond::In(attr::PHASE.into(), open),
        Cond::Lt(attr::LEASED.into(), over.millis()),
        Cond::Le(attr::DUE.into(), now.millis()),
    ];
    match center.store.write(Op::Update(key, changes, conds)).await {
        Ok(Some(item)) => {
            let mut share = Share::read(job.share, &item.attrs)?;
            // Every claim between the last recorded one and ours ended in a crash.
            let lost = share.attempt - 1 - share.recorded;
            for _ in 0..lost {
                note_doubt(&mut share, now);
            }
            let in_doubt = lost > 0;
            Ok(Claimed::Ours(Box::new(Claim { share, item, in_doubt })))
        }
        Ok(None) => Ok(Claimed::Step(Step::Done)),
        Err(WriteError::Failed(error)) => Err(error),
        Err(WriteError::Conflict(conflict)) => {
            let Some(item) = conflict.current else {
                tracing::info!(message.id = %job.message, "a task names a message that is no longer kept");
                return Ok(Claimed::Step(Step::Done));
            };
            let share = Share::read(job.share, &item.attrs)?;
            if share.phase == Phase::Final {
                return Ok(Claimed::Final(share));
            }
            let lease_end = share.leased.after(center.tuning.lease);
            let at = if share.due > now { share.due } else { lease_end.max(now) };
            Ok(Claimed::Step(Step::Again(at)))
        }
    }
}

/// Writes down that an earlier push was lost sight of.
fn note_doubt(share: &mut Share, now: Timestamp) {
    metrics::counter!("message_center_in_doubt_total").increment(1);
    share.note_attempt(Attempt {
        at: now,
        ms: 0,
        outcome: Outcome::InDoubt,
        code: Some("lost".to_owned()),
        text: Some("the push was begun, and its outcome was lost in a crash".to_owned()),
        next: None,
        warnings: Vec::new(),
    });
}
