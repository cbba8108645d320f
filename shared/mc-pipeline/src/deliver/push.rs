//! Rendering and pushing a claimed share.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mc_content::{FieldError, Target};
use mc_core::model::{Content, MessageDoc, Priority, ProjectDoc, Recipient};
use mc_core::ports::{
    Attachment, Batching, FileInfo, Push, QuotaUnit, Receipt, RenderContext, RenderError, Rendered,
    SendError, SendFailure, Slot,
};
use mc_core::{Error, ErrorKind, Result, Timestamp};
use serde_json::Map;
use tokio::sync::SemaphorePermit;

use super::Job;
use super::claim::Claim;
use crate::accept::plan::merged;
use crate::center::Center;
use crate::pace::{self, Wait};
use crate::receipts::{Pushed, Units, index};
use crate::repo::{ChannelEntry, TemplateEntry};
use crate::{stats, suppress};

/// At most this many pushes of one share run at a time.
const WIDTH: usize = 8;

/// A share that pushes for longer lets more urgent ones go first.
const TURN: Duration = Duration::from_secs(1);

/// When pushes come again for which there was no room beside the others.
const SOON: Duration = Duration::from_secs(1);

/// Everything the pushes of one share have in common.
pub struct Work<'a> {
    pub center: &'a Center,
    pub job: &'a Job,
    pub entry: &'a ChannelEntry,
    pub doc: &'a MessageDoc,
    pub template: Option<Arc<TemplateEntry>>,
    pub project: Option<Arc<ProjectDoc>>,
    pub files: Vec<Attachment>,
    /// What rendering may know of the files.
    pub infos: Vec<FileInfo>,
    pub priority: Priority,
    pub slot: Slot,
}

/// One push of a share: the letters it decides, and the recipients it names.
pub struct Planned {
    pub units: Vec<usize>,
    pub to: Vec<Recipient>,
}

/// How one push ended.
pub struct Ended {
    pub units: Vec<usize>,
    pub result: std::result::Result<Receipt, SendError>,
    /// What the platform accepted, where its ids are remembered.
    pub pushed: Vec<Pushed>,
    /// How many parts are sent, counted from the first, if the push is the share's only one: it goes on there.
    pub parts: usize,
    /// What the next part waits for, which has no slot yet.
    pub waiting: Option<Wait>,
    /// The codes of what could not be shown as it was meant.
    pub warnings: Vec<Cow<'static, str>>,
}

impl Ended {
    /// A push to these letters that came to nothing else.
    pub fn of(units: Vec<usize>) -> Self {
        let result = Ok(Receipt::default());
        Self { units, result, pushed: Vec::new(), parts: 0, waiting: None, warnings: Vec::new() }
    }
}

/// Reads the message's own version of its template.
pub async fn template(center: &Center, job: &Job, doc: &MessageDoc) -> Result<Option<Arc<TemplateEntry>>> {
    let Some(reference) = &doc.template else { return Ok(None) };
    let entry = center.templates.version(&job.project, reference).await?;
    entry.map(Some).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "a message's template version is missing")
            .with("template", &reference.name)
    })
}

/// The pushes that some recipients of a share make.
pub fn plan(entry: &ChannelEntry, open: Vec<usize>, recipients: &[Recipient]) -> Vec<Planned> {
    let one = |i: usize| recipients.get(i).cloned().into_iter().collect::<Vec<_>>();
    match entry.channel.capability().batching {
        Batching::Broadcast if open.is_empty() => Vec::new(),
        Batching::Broadcast => vec![Planned { units: open, to: recipients.to_vec() }],
        Batching::Single => open.into_iter().map(|i| Planned { units: vec![i], to: one(i) }).collect(),
        Batching::UpTo(n) => {
            let own = |i: &usize| recipients.get(*i).is_some_and(|r| r.data.is_some());
            let (alone, together): (Vec<usize>, Vec<usize>) = open.into_iter().partition(own);
            let groups = together.chunks(n.max(1)).map(<[usize]>::to_vec);
            groups
                .chain(alone.into_iter().map(|i| vec![i]))
                .map(|units| Planned { to: units.iter().flat_map(|i| one(*i)).collect(), units })
                .collect()
        }
    }
}

impl Work<'_> {
    /// Pushes a few at a time. The slot of the task is used for the first push, more are reserved as needed; pushes
    /// that find no slot now are not begun.
    pub async fn run(&self, claim: &Claim, mut planned: Vec<Planned>) -> Result<(Vec<Ended>, Option<Wait>)> {
        let mut slots = vec![self.slot];
        let mut wait = None;
        if planned.len() > 1 {
            let more = planned.len() - 1;
            match Box::pin(self.reserve(more)).await? {
                Ok(some) => {
                    wait = (some.len() < more).then_some(Wait::of(SOON));
                    slots.extend(some);
                }
                Err(later) => wait = Some(later),
            }
        }
        planned.truncate(slots.len());
        // What has no slot yet is not counted yet.
        let people: Vec<usize> = planned.iter().map(|push| push.to.len()).collect();
        match self.admit(&people).await? {
            Ok(some) if some < planned.len() => {
                planned.truncate(some);
                wait = wait.or(Some(Wait::of(SOON)));
            }
            Ok(_) => {}
            Err(later) => return Ok((Vec::new(), Some(later))),
        }
        let extra: Vec<SemaphorePermit<'_>> =
            (1..planned.len().min(WIDTH)).map_while(|_| self.entry.gate.one_more()).collect();
        let width = 1 + extra.len();
        let mut ended = Vec::with_capacity(planned.len());
        let mut rest = planned.into_iter().zip(slots).peekable();
        let began = self.center.clock.now();
        while rest.peek().is_some() {
            if self.job.is_out_of_time(self.center) || self.gives_way(began) {
                // What was pushed is recorded now, and the rest goes on elsewhere or later.
                wait = wait.or(Some(Wait::of(Duration::ZERO)));
                break;
            }
            let some = rest.by_ref().take(width).map(|(p, slot)| self.one(claim, p, slot));
            ended.extend(join_all(some).await);
        }
        Ok((ended, wait))
    }

    /// Whether something more urgent should go first. Where pushes are counted, what is counted for this share would be lost.
    fn gives_way(&self, began: Timestamp) -> bool {
        let long = self.center.clock.now().since(began) >= TURN;
        let counted = !self.entry.limits.is_empty() || !self.entry.allowances.is_empty();
        long && !counted && self.entry.gate.is_wanted(self.priority)
    }

    /// Slots for so many pushes now.
    async fn reserve(&self, n: usize) -> Result<std::result::Result<Vec<Slot>, Wait>> {
        let project = &self.job.project;
        pace::reserve(self.center, project, self.entry, n, self.priority, Duration::ZERO).await
    }

    /// How many of these pushes the platform's limit of people lets through now.
    async fn admit(&self, people: &[usize]) -> Result<std::result::Result<usize, Wait>> {
        pace::admit(self.center, &self.job.project, self.entry, people, self.priority).await
    }

    /// A slot for the next part of a push to so many people, or what it waits for.
    async fn next_slot(&self, people: usize) -> std::result::Result<Slot, Wait> {
        let slot = async {
            Ok::<_, Error>(match self.reserve(1).await? {
                Ok(some) => self.admit(&[people]).await?.map(|_| some.first().copied().unwrap_or(self.slot)),
                Err(wait) => Err(wait),
            })
        };
        slot.await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "a part could not get its slot and waits");
            Err(Wait::of(Duration::from_secs(5)))
        })
    }

    /// One push, part by part.
    async fn one(&self, claim: &Claim, planned: Planned, slot: Slot) -> Ended {
        let Planned { units, to } = planned;
        let broadcast = self.entry.channel.capability().batching == Batching::Broadcast;
        // With several pushes in a share nobody could say later whose parts are sent.
        let alone = broadcast || units.len() == claim.share.letters.len();
        let begin = if alone { claim.share.parts } else { 0 };
        let delivery = self.job.message.delivery(claim.share.delivery);
        let ended = |units, result, pushed, parts| Ended {
            result,
            pushed,
            parts: if alone { parts } else { 0 },
            ..Ended::of(units)
        };
        let remembers = index::remembers(self.entry);
        let mut pushed = Vec::new();
        let rendered = match self.render(&to, broadcast, &delivery) {
            Ok(rendered) => rendered,
            Err(error) => {
                let error = SendError {
                    failure: SendFailure::Permanent,
                    code: error.code.to_owned(),
                    text: error.detail,
                };
                return ended(units, Err(error), pushed, begin);
            }
        };
        let warnings: Vec<_> = rendered.warnings.into_iter().map(|warning| warning.code).collect();
        let mut receipt = Receipt::default();
        let total = rendered.parts.len();
        let mut slot = slot;
        for (i, part) in rendered.parts.iter().enumerate().skip(begin) {
            if i > begin {
                match Box::pin(self.next_slot(to.len())).await {
                    Ok(next) => slot = next,
                    Err(wait) => {
                        return Ended { waiting: Some(wait), ..ended(units, Ok(receipt), pushed, i) };
                    }
                }
            }
            // The slot has counted one of them.
            if self.entry.allowances.iter().any(|a| a.unit == QuotaUnit::Recipients) {
                let more = to.len().saturating_sub(1) as u64;
                self.center.ledger.count(&self.job.project, self.entry, more, self.center.clock.now());
            }
            let push_id = push_id(self.job, &units, i, total);
            let push = Push {
                project: &self.job.project,
                message: self.job.message,
                delivery: &delivery,
                push_id: &push_id,
                again: claim.share.attempt > 1,
                part,
                to: &to,
                attachments: &self.files,
                slot: Some(slot),
            };
            let sending = self.entry.channel.send(push);
            match stats::as_own(stats::of_alarm(self.doc), sending).await {
                Ok(mut accepted) => {
                    if let Some(id) = accepted.platform_id
                        && remembers
                        && !index::tells_itself(self.entry, &id, &push_id)
                    {
                        pushed.push(Pushed { id, units: Units::new(units.clone()), more: i + 1 < total });
                    }
                    receipt.refused.append(&mut accepted.refused);
                }
                Err(error) => return ended(units, Err(error), pushed, i),
            }
        }
        Ended { warnings, ..ended(units, Ok(receipt), pushed, total) }
    }

    fn render(
        &self,
        to: &[Recipient],
        broadcast: bool,
        delivery: &str,
    ) -> std::result::Result<Rendered, RenderError> {
        let own = if broadcast { None } else { to.first().and_then(|r| r.data.as_ref()) };
        let data = own.map(|own| merged(&self.doc.data, own));
        let data = data.as_ref().unwrap_or(&self.doc.data);
        let empty = Map::new();
        let params = self.project.as_ref().map_or(&empty, |p| &p.params);
        let content: Content = match (&self.template, &self.doc.content) {
            (Some(template), _) => {
                let target = Target { kind: self.entry.doc.kind, channel: Some(&self.entry.name) };
                let broken = |errors: &[FieldError]| {
                    let detail = errors.first().map(|e| format!("{} {}", e.pointer, e.detail));
                    RenderError::new("invalid_template", detail.unwrap_or_default())
                };
                template.compiled().map_err(broken)?.render(target, data, params)?
            }
            (None, Some(inline)) => mc_content::inline(inline),
            (None, None) => return Err(RenderError::new("no_content", "the message has no content")),
        };
        let context = RenderContext {
            project: &self.job.project,
            message: self.job.message,
            delivery,
            to,
            data,
            params,
            overrides: self.doc.overrides.get(&*self.entry.name),
            files: &self.infos,
        };
        let mut rendered = self.entry.channel.render(&content, &context)?;
        let kind = self.entry.doc.kind;
        suppress::offer(self.center, &self.job.project, kind, self.priority, to, &mut rendered);
        Ok(rendered)
    }
}

/// The same for every try of a push, different for every other push.
fn push_id(job: &Job, units: &[usize], part: usize, parts: usize) -> String {
    let first = units.first().copied().unwrap_or(0);
    let ulid = job.message.ulid();
    if parts > 1 {
        format!("{ulid}-{}-{first}-{part}", job.share)
    } else {
        format!("{ulid}-{}-{first}", job.share)
    }
}
