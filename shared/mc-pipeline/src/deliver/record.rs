//! From claim to recorded outcome.

use std::time::Duration;

use mc_core::model::{Attempt, MessageDoc, OnDoubt, Outcome, Priority};
use mc_core::ports::{Attachment, Change, Commit, FileInfo, Op, Slot, WriteError};
use mc_core::state::{Counts, State};
use mc_core::{Result, Retry, Timestamp};

use super::claim::{Claim, Claimed, claim};
use super::push::{self, Ended, Work};
use super::tally::Tally;
use super::{Deliverer, Job, Step, Way, find, load, settle, unwilling};
use crate::receipts::{Pushed, index, poll};
use crate::repo::{Broken, ChannelEntry};
use crate::retry::{self, Next};
use crate::share::{self, Head, Phase, Share};
use crate::stats::{Count, Numbers, Part};
use crate::{due, tell};

/// Whoever waits for a quota is given so many times as long before it is given up: a day's quota may be used up by those
/// who waited for it before.
const QUOTA_PATIENCE: u32 = 3;

impl Deliverer {
    /// The whole way of one share, from its claim to its telling.
    ///
    /// Its stages are boxed, and what few of them need: hundreds of shares wait for platforms at a time, and none needs room
    /// for more than its stage.
    pub(super) async fn deliver(
        &self,
        job: &Job,
        entry: Option<std::sync::Arc<ChannelEntry>>,
        way: Way<'_>,
        priority: Priority,
    ) -> Result<Step> {
        let center = &*self.center;
        // The permit comes before the claim, so that a share never waits with its lease running.
        let _permit = match &entry {
            Some(entry) => entry.gate.enter(priority).await,
            None => None,
        };
        if job.is_out_of_time(center) {
            return Ok(Step::NotBegun);
        }
        let mut claim = match claim(center, job).await? {
            Claimed::Ours(claim) => claim,
            Claimed::Final(share) => {
                if !share.pushes.is_empty() {
                    // A crash may have come between the outcome and what makes its pushes findable.
                    let ops = self.findable(job, &share, center.clock.now());
                    center.store.commit(Commit { ops, ..Commit::default() }).await?;
                }
                Box::pin(settle::settle(center, &job.project, job.message, &share)).await?;
                return Ok(Step::Done);
            }
            Claimed::Step(step) => return Ok(step),
        };
        let Some(head) = load::message(center, job, &claim).await? else {
            tracing::warn!(message.id = %job.message, "a share has no message; it is left alone");
            return Ok(Step::Done);
        };
        let doc = &head.doc;
        let began = center.clock.now();
        let before = claim.share.counts();
        let mut tally = Tally::default();
        match (&entry, way) {
            _ if doc.expire_at.is_some_and(|at| at <= began) => {
                let open = claim.share.open();
                if claim.in_doubt || is_in_doubt(&claim.share, &tally) {
                    doubt(&mut claim.share, &open);
                } else {
                    expire(&mut claim.share, &open, began);
                }
            }
            (Some(entry), Way::Open(_) | Way::Full(_)) if entry.doc.enabled => {
                let hold = entry.doc.on_doubt == OnDoubt::Hold && entry.channel.capability().dedupe.is_none();
                if claim.in_doubt && hold {
                    for i in claim.share.open() {
                        claim.share.decide(i, State::InDoubt);
                    }
                } else if let Way::Open(slot) = way {
                    tally = Box::pin(self.push(job, entry, doc, &mut claim, slot, priority)).await?;
                } else if let Way::Full(full) = way {
                    tally.wait_for(full, &*center.random);
                }
            }
            (_, Way::Broken(broken)) => {
                tally.channel_failed = !end(&mut claim, &mut tally, Broken::CODE, &broken.text());
            }
            _ => {
                end(&mut claim, &mut tally, "channel_gone", "the channel was deleted or switched off");
            }
        }
        let learned = tally.learned;
        let recording =
            self.record(job, entry.as_deref(), head, claim, (began, before), &mut tally, priority);
        let step = Box::pin(recording).await?;
        if let Some(entry) = &entry {
            learned.note(center, &job.project, entry).await;
        }
        Ok(step)
    }

    async fn push(
        &self,
        job: &Job,
        entry: &ChannelEntry,
        doc: &MessageDoc,
        claim: &mut Claim,
        slot: Slot,
        priority: Priority,
    ) -> Result<Tally> {
        let center = &*self.center;
        let mut recipients = load::recipients(center, &job.project, job.message, &claim.share, doc).await?;
        let mut tally = Tally::default();
        unwilling::leave_out(center, job, entry, doc, &mut claim.share, &mut recipients).await?;
        let open = tally.leave_asleep(entry, doc.priority, &claim.share, &recipients, center.clock.now());
        let share = &mut claim.share;
        let open = find::find(center, job, entry, share, &mut recipients, open, &mut tally).await;
        let planned = push::plan(entry, open, &recipients);
        if planned.is_empty() {
            return Ok(tally);
        }
        let files = match load::attachments(center, &doc.attachments).await? {
            Ok(files) => files,
            Err(error) => {
                let units = planned.into_iter().flat_map(|p| p.units).collect();
                tally.add(entry, &mut claim.share, Ended { result: Err(error), ..Ended::of(units) });
                return Ok(tally);
            }
        };
        let work = Work {
            center,
            job,
            entry,
            doc,
            template: push::template(center, job, doc).await?,
            project: center.projects.get(&job.project).await?,
            infos: files.iter().map(info).collect(),
            files,
            priority,
            slot,
        };
        let (ended, wait) = work.run(claim, planned).await?;
        let now = center.clock.now();
        for wait in wait.into_iter().chain(ended.iter().filter_map(|one| one.waiting)) {
            tally.wait(wait, now, &*center.random);
        }
        for one in ended {
            tally.add(entry, &mut claim.share, one);
        }
        Ok(tally)
    }

    /// Writes the outcome down, then tells the message's head if the share is decided.
    #[expect(clippy::too_many_arguments, reason = "everything an outcome is made of, in one place")]
    async fn record(
        &self,
        job: &Job,
        entry: Option<&ChannelEntry>,
        head: Box<Head>,
        claim: Box<Claim>,
        (began, before): (Timestamp, Counts),
        tally: &mut Tally,
        priority: Priority,
    ) -> Result<Step> {
        let center = &*self.center;
        let now = center.clock.now();
        let Claim { item, mut share, .. } = *claim;
        let key = item.key;
        let next = self.next_try(&head.doc, &mut share, tally, now);
        let back = next.map(|at| tally.comes_back(at, now, &*center.random));
        let mut counted = Numbers::of(Count::Pushes, 1);
        counted.add(Count::PushMs, u64::try_from(now.since(began).as_millis()).unwrap_or(u64::MAX));
        counted.add(Count::GaveUp, tally.gave_up);
        counted.add(Count::Retries, tally.again);
        let mut also = self.remember(job, entry, &mut share, std::mem::take(&mut tally.pushed), now).await?;
        if let Some((outcome, code, text)) = tally.take_outcome() {
            share.note_attempt(Attempt {
                at: began,
                ms: u32::try_from(now.since(began).as_millis()).unwrap_or(u32::MAX),
                outcome,
                code,
                text: text.map(|t| share::clip(&t, 300)),
                next,
                warnings: std::mem::take(&mut tally.warnings),
            });
        }
        counted.decided(&before, &share.counts());
        let counted = || {
            if let Some(part) = Part::of(&job.project, &head.doc, share.delivery) {
                center.stats.add(now, &part, &counted);
            }
        };
        let mine = share.still_mine();
        share.recorded = share.attempt;
        share.leased = Timestamp::EPOCH;
        share.phase = match next {
            None => Phase::Final,
            // Whoever only sleeps is queued as before.
            Some(_) if share.letters.contains(&State::Retrying.letter()) => Phase::Retrying,
            Some(_) => Phase::Queued,
        };
        share.due = back.unwrap_or(share.due);
        count(entry, &share, began, now);
        let mut changes = share.changes()?;
        if let Some(at) = back {
            let far = at.since(now) > mc_core::ports::MAX_DELAY;
            if far && let Some(entry) = entry {
                also.ops.push(due::row(center, &self.outgoing(job, entry, priority), at)?);
            }
            let commit = Commit { guard: Some(Op::Update(key, changes, mine)), ..also };
            return match insist(|| center.store.commit(commit.clone())).await {
                Ok(_) => {
                    counted();
                    Ok(if far { Step::Done } else { Step::Again(at) })
                }
                Err(error) => lost(job, now, error),
            };
        }
        if tally.channel_failed {
            let error = share.errors.last();
            let (code, text) = error.map_or(("", ""), |e| (e.code.as_str(), e.text.as_str()));
            Box::pin(tell::channel_failing(center, &job.project, &job.channel, code, text)).await?;
        }
        if job.share == 0 {
            // The share and the head are one item: one write decides both.
            let settled = insist(|| {
                let update = (changes.clone(), mine.clone());
                settle::settle_inline(center, &job.project, job.message, &head, &share, update, also.clone())
            });
            return match settled.await {
                Ok(()) => {
                    counted();
                    Ok(Step::Done)
                }
                Err(error) => lost(job, now, error),
            };
        }
        changes.push(Change::Expire(Some(now.after(center.tuning.retention))));
        let commit = Commit { guard: Some(Op::Update(key, changes, mine)), ..also };
        match insist(|| center.store.commit(commit.clone())).await {
            Ok(_) => {
                counted();
                Box::pin(settle::settle(center, &job.project, job.message, &share)).await?;
                Ok(Step::Done)
            }
            Err(error) => lost(job, now, error),
        }
    }

    /// Has the platform's ids of what was pushed lead back to the share, as part of the outcome's commit.
    ///
    /// Where they are too many for the share, they are written before its outcome, so that no crash can lose them.
    async fn remember(
        &self,
        job: &Job,
        entry: Option<&ChannelEntry>,
        share: &mut Share,
        pushed: Vec<Pushed>,
        now: Timestamp,
    ) -> Result<Commit> {
        if pushed.is_empty() && share.pushes.is_empty() {
            return Ok(Commit::default());
        }
        let center = &*self.center;
        let kept = index::keep(center, &job.project, job.message, share, pushed.clone(), now)?;
        if let Some(apart) = kept {
            let mut ops = vec![apart];
            ops.extend(self.index(job, share.index, &pushed, now));
            center.store.commit(Commit { ops, ..Commit::default() }).await?;
        }
        let mut commit = Commit { ops: self.findable(job, share, now), ..Commit::default() };
        if let Some(entry) = entry {
            poll::plan(center, &job.project, entry, &pushed, now, &mut commit)?;
        }
        Ok(commit)
    }

    /// The writes that make the pushes kept with a share findable.
    fn findable(&self, job: &Job, share: &Share, now: Timestamp) -> Vec<Op> {
        self.index(job, share.index, &share.pushes, now)
    }

    fn index(&self, job: &Job, share: u32, pushes: &[Pushed], now: Timestamp) -> Vec<Op> {
        index::ops(&self.center, &job.project, &job.channel, job.message, share, pushes, now)
    }

    /// When the share's undecided recipients are tried again; those who will not be are decided here.
    fn next_try(
        &self,
        doc: &MessageDoc,
        share: &mut Share,
        tally: &mut Tally,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (asleep, awake): (Vec<usize>, Vec<usize>) =
            share.open().into_iter().partition(|unit| tally.asleep.contains(unit));
        let wakes = tally.wakes.filter(|_| !asleep.is_empty());
        let next = self.next_try_of(awake, doc, share, tally, now);
        match wakes {
            // Nobody wakes in time: that is known now.
            Some(at) if doc.expire_at.is_some_and(|end| end <= at) => {
                expire(share, &asleep, now);
                next
            }
            Some(at) => Some(next.map_or(at, |next| next.min(at))),
            None => next,
        }
    }

    fn next_try_of(
        &self,
        awake: Vec<usize>,
        doc: &MessageDoc,
        share: &mut Share,
        tally: &mut Tally,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if awake.is_empty() {
            return None;
        }
        // A try that got on is no failure: nobody is given up after it, and the wait does not grow.
        let is_getting_on = tally.is_getting_on();
        let begun = doc.send_at.map_or(doc.created_at, |at| at.max(doc.created_at));
        let start = if is_getting_on { now } else { begun };
        let patience = if tally.waits_for_quota() { QUOTA_PATIENCE } else { 1 };
        let give_up = start.after(self.center.tuning.give_up_after * patience);
        let until = doc.expire_at.map_or(give_up, |at| at.min(give_up));
        let waiting = tally.waiting.filter(|_| tally.failure.is_none());
        let next = match (waiting, &tally.failure) {
            (Some(at), _) if at <= until => Next::At(at),
            (None, Some((failure, _, _))) => {
                let failed = share.log.iter().rev().take_while(|a| a.outcome != Outcome::Sent).count();
                let failures = if is_getting_on { 1 } else { 1 + failed };
                retry::next(failures, *failure, now, until, &*self.center.random)
            }
            _ => Next::GiveUp,
        };
        match next {
            Next::At(at) => {
                if tally.failure.is_some() {
                    tally.again = awake.len() as u64;
                }
                for i in awake {
                    share.decide(i, State::Retrying);
                }
                Some(at)
            }
            Next::GiveUp if is_in_doubt(share, tally) => {
                doubt(share, &awake);
                None
            }
            Next::GiveUp if doc.expire_at.is_some_and(|at| at <= give_up) => {
                expire(share, &awake, now);
                None
            }
            Next::GiveUp => {
                tally.gave_up = awake.len() as u64;
                metrics::counter!("message_center_gave_up_total").increment(tally.gave_up);
                let (code, text) = match (&tally.failure, &tally.full) {
                    (Some((_, code, text)), _) => (code.clone(), format!("given up: {text}")),
                    (None, Some(full)) => (full.code().to_owned(), format!("given up: {}", full.text())),
                    (None, None) => ("gave_up".to_owned(), "given up: its turn never came".to_owned()),
                };
                fail(share, &awake, &code, &text);
                None
            }
        }
    }

    fn outgoing(&self, job: &Job, entry: &ChannelEntry, priority: Priority) -> mc_core::ports::Outgoing {
        mc_core::ports::Outgoing {
            family: entry.doc.kind.family(),
            group: mc_core::ports::Group::of(&job.project, priority),
            task: job.task(None),
            delay: Duration::ZERO,
        }
    }
}

fn info(file: &Attachment) -> FileInfo {
    FileInfo {
        filename: file.filename.clone(),
        content_type: file.content_type.clone(),
        size: Some(file.bytes.len() as u64),
    }
}

/// Writes an outcome, again and again while the store cannot write: what was pushed must not be forgotten as long as
/// its lease lasts, or it would be pushed twice.
async fn insist<T, F>(write: impl Fn() -> F) -> std::result::Result<T, WriteError>
where
    F: Future<Output = std::result::Result<T, WriteError>>,
{
    const WAITS: [u64; 10] = [100, 200, 500, 1000, 2000, 5000, 5000, 10_000, 10_000, 10_000];
    for wait in WAITS {
        match write().await {
            Err(WriteError::Failed(error)) if error.retry != Retry::Never => {
                tracing::warn!(error = %error, "an outcome could not be written and will be again");
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            other => return other,
        }
    }
    write().await
}

/// The outcome could not be written: somebody else has the share, or the store fails for longer.
///
/// The task comes again in either case, because only a final state may be acknowledged.
fn lost(job: &Job, now: Timestamp, error: WriteError) -> Result<Step> {
    match error {
        WriteError::Failed(error) => Err(error),
        WriteError::Conflict(_) => {
            tracing::warn!(message.id = %job.message, "a lease ran out during a push; the outcome is the next holder's");
            Ok(Step::Again(now.after(Duration::from_secs(1))))
        }
    }
}

/// Whether an outcome of a push of this share was lost: then nobody knows whether somebody has it already.
fn is_in_doubt(share: &Share, tally: &Tally) -> bool {
    let lost = |outcome: &Outcome| *outcome == Outcome::InDoubt;
    tally.outcome.iter().any(|(outcome, ..)| lost(outcome)) || share.log.iter().any(|a| lost(&a.outcome))
}

fn doubt(share: &mut Share, units: &[usize]) {
    for i in units {
        share.decide(*i, State::InDoubt);
        share.note_error(*i, "gave_up", "given up after a push whose outcome was lost");
    }
}

fn expire(share: &mut Share, units: &[usize], now: Timestamp) {
    for i in units {
        share.decide(*i, State::Expired);
    }
    share.note_attempt(Attempt {
        at: now,
        ms: 0,
        outcome: Outcome::Expired,
        code: Some("expired".to_owned()),
        text: Some("it could not be sent before its expire_at".to_owned()),
        next: None,
        warnings: Vec::new(),
    });
}

fn fail(share: &mut Share, units: &[usize], code: &str, text: &str) {
    for i in units {
        share.decide(*i, State::Failed);
        share.note_error(*i, code, text);
    }
}

/// Ends a share for good whose channel takes nothing; answers whether it ends in doubt, because an outcome was lost before.
fn end(claim: &mut Claim, tally: &mut Tally, code: &str, text: &str) -> bool {
    let in_doubt = claim.in_doubt || is_in_doubt(&claim.share, tally);
    let open = claim.share.open();
    if in_doubt {
        doubt(&mut claim.share, &open);
    } else {
        fail(&mut claim.share, &open, code, text);
    }
    tally.outcome = Some((Outcome::Failed, Some(code.to_owned()), Some(text.to_owned())));
    in_doubt
}

fn count(entry: Option<&ChannelEntry>, share: &Share, began: Timestamp, now: Timestamp) {
    let Some(entry) = entry else { return };
    let kind = entry.doc.kind.as_str();
    metrics::histogram!("message_center_push_duration_seconds", "kind" => kind)
        .record(now.since(began).as_secs_f64());
    if share.phase == Phase::Final {
        for (state, n) in share.counts().iter() {
            metrics::counter!("message_center_recipients_total", "kind" => kind, "state" => state.as_str())
                .increment(u64::from(n));
        }
    } else {
        metrics::counter!("message_center_retries_total", "kind" => kind).increment(1);
    }
}
