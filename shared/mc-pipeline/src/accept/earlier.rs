//! Requests with an `Idempotency-Key`: what makes them happen once, and what completes them after a crash.

use std::time::Duration;

use mc_content::FieldError;
use mc_core::ports::{Attrs, Commit, Item, Op};
use mc_core::{Error, ErrorKind, Result as CoreResult, Timestamp};
use serde::{Deserialize, Serialize};

use super::commit::{Accepted, Answer, Outcome, lay_out};
use super::entering::count_all;
use super::request::SendRequest;
use super::{Caller, Refusal, plan};
use crate::center::Center;
use crate::keys;
use crate::share::{self, attr};
use crate::sweep;

/// For how long a repeated request is recognised.
const IDEMPOTENCY_LIFE: Duration = Duration::from_secs(86_400);

/// What makes a repeated request the same request.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// A hash of path and body.
    pub hash: String,
}

/// A record of what a key was used for.
#[derive(Serialize, Deserialize)]
struct Record {
    hash: String,
    results: Vec<RecordedResult>,
}

#[derive(Serialize, Deserialize)]
enum RecordedResult {
    Accepted(Accepted),
    Refused(RefusedBefore),
}

/// How a message was refused when its request came the first time: all that its answer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBefore {
    /// What kind of refusal it was. Records of earlier releases do not say.
    #[serde(default)]
    pub kind: RefusedAs,
    /// Stable, snake_case.
    pub code: String,
    /// For people; of something that is not there, its name.
    pub detail: String,
    /// The fields, by JSON pointer. Records of earlier releases have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// The kinds of [`Refusal`] that one message of a request can meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedAs {
    /// [`Refusal::Invalid`].
    #[default]
    Invalid,
    /// [`Refusal::NotFound`].
    NotFound,
    /// [`Refusal::Conflict`].
    Conflict,
    /// [`Refusal::Forbidden`].
    Forbidden,
}

impl RefusedBefore {
    /// What a record keeps of a refusal. A limit or a port's trouble ends its whole request, of which nothing is recorded.
    fn of(refusal: &Refusal) -> CoreResult<Self> {
        let none: &[FieldError] = &[];
        let (kind, code, detail, errors) = match refusal {
            Refusal::Invalid { code, detail, errors } => (RefusedAs::Invalid, *code, &**detail, &**errors),
            Refusal::NotFound(what) => (RefusedAs::NotFound, "not_found", *what, none),
            Refusal::Conflict { code, detail } => (RefusedAs::Conflict, *code, &**detail, none),
            Refusal::Forbidden { code, detail, errors } => {
                (RefusedAs::Forbidden, *code, &**detail, &**errors)
            }
            Refusal::Limited { .. } | Refusal::Failed(_) => {
                return Err(Error::new(ErrorKind::Internal, "this is no refusal of one message"));
            }
        };
        Ok(Self { kind, code: code.to_owned(), detail: detail.to_owned(), errors: errors.to_vec() })
    }
}

/// An earlier request with the same key.
pub(crate) struct Earlier {
    /// What it was answered.
    pub(crate) outcomes: Vec<Outcome>,
    /// Which of its messages were accepted and are not there, because it ended before it had written them.
    pub(crate) missing: Vec<usize>,
    /// The heads of the others.
    written: Vec<Item>,
}

impl Earlier {
    pub(crate) async fn find(
        center: &Center,
        caller: &Caller,
        idempotency: &Idempotency,
        now: Timestamp,
    ) -> Result<Option<Self>, Refusal> {
        let key = keys::idempotency(&caller.project, &idempotency.key);
        let Some(item) = center.store.get(&key).await? else { return Ok(None) };
        let record: Record = share::json(&item.attrs, attr::DOC)?
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, "an idempotency record has no document"))?;
        if record.hash != idempotency.hash {
            return Err(Refusal::Conflict {
                code: "idempotency_key_reused",
                detail:
                    "this Idempotency-Key was used for another request within the last 24 hours; use a new one"
                        .into(),
            });
        }
        // What is old enough to have been forgotten is not missed.
        let accepted = record.results.iter().enumerate().filter_map(|(n, result)| match result {
            RecordedResult::Accepted(accepted) => Some((n, accepted.id)),
            RecordedResult::Refused(_) => None,
        });
        let young = accepted.filter(|(_, id)| now.since(id.time()) < center.tuning.retention);
        let (places, heads): (Vec<usize>, Vec<_>) =
            young.map(|(n, id)| (n, keys::head(&caller.project, id, center.spread))).unzip();
        let found = center.store.get_many(&heads).await?;
        let (mut missing, mut written) = (Vec::new(), Vec::new());
        for (n, head) in places.into_iter().zip(found) {
            match head {
                Some(head) => written.push(head),
                None => missing.push(n),
            }
        }
        let outcomes = record.results.into_iter().map(|result| match result {
            RecordedResult::Accepted(accepted) => Outcome::Accepted(accepted),
            RecordedResult::Refused(before) => Outcome::RefusedBefore(before),
        });
        Ok(Some(Self { outcomes: outcomes.collect(), missing, written }))
    }

    /// Answers as the earlier request, and queues again what is written and was never worked on: that request may have
    /// ended, or found no queue, before it had queued it.
    pub(crate) async fn replay(self, center: &Center, caller: &Caller) -> Result<Answer, Refusal> {
        let queued = sweep::queue_again(center, &caller.project, &self.written).await?;
        if queued > 0 {
            tracing::info!(queued, "a repeated request queues its tasks again");
        }
        Ok(Answer { outcomes: self.outcomes, replayed: true, limits: Vec::new() })
    }

    /// Writes what is missing, under the ids it was accepted with, and replays it. The earlier request may be at it at the
    /// same time: each item is written by one of the two, and a task that is queued twice is worked on once.
    pub(super) async fn complete(
        mut self,
        center: &Center,
        caller: &Caller,
        requests: Vec<Result<SendRequest, Refusal>>,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let (mut commit, mut counted) = (Commit::default(), Vec::new());
        for (n, request) in requests.into_iter().enumerate().filter(|(n, _)| self.missing.contains(n)) {
            let Some(Outcome::Accepted(accepted)) = self.outcomes.get(n) else { continue };
            let id = accepted.id;
            let planned = match request {
                Ok(request) => plan::plan(center, caller, request, id, now).await,
                Err(refusal) => Err(refusal),
            };
            self.outcomes[n] = match planned {
                Ok(plan) => {
                    let into = (&mut commit, &mut counted, n);
                    Outcome::Accepted(lay_out(center, caller, plan, id, now, into).await?)
                }
                Err(Refusal::Failed(error)) => return Err(Refusal::Failed(error)),
                Err(refusal) => Outcome::Refused(refusal),
            };
        }
        if !self.missing.is_empty() {
            tracing::warn!(
                messages = self.missing.len(),
                "a repeated request completes what it had left out"
            );
            center.store.commit(commit).await.map_err(|error| Refusal::Failed(error.into()))?;
            count_all(&counted, center, caller, &self.outcomes, now);
        }
        self.replay(center, caller).await
    }
}

/// The record of a request.
pub(crate) fn record(
    caller: &Caller,
    idempotency: &Idempotency,
    outcomes: &[Outcome],
    now: Timestamp,
) -> CoreResult<Op> {
    let result = |outcome: &Outcome| -> CoreResult<RecordedResult> {
        Ok(match outcome {
            Outcome::Accepted(accepted) => RecordedResult::Accepted(accepted.clone()),
            Outcome::Refused(refusal) => RecordedResult::Refused(RefusedBefore::of(refusal)?),
            Outcome::RefusedBefore(before) => RecordedResult::Refused(before.clone()),
        })
    };
    let results = outcomes.iter().map(result).collect::<CoreResult<_>>()?;
    let doc = serde_json::to_vec(&Record { hash: idempotency.hash.clone(), results })?;
    let item =
        Item::new(keys::idempotency(&caller.project, &idempotency.key), Attrs::new().with(attr::DOC, doc));
    Ok(Op::put_new(item.expiring(now.after(IDEMPOTENCY_LIFE))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_earlier_release_is_read() {
        let text = r#"{"hash": "h", "results": [{"Refused": {"code": "unknown_template", "detail": "there is none"}}]}"#;
        let record: Record = serde_json::from_str(text).unwrap();
        let [RecordedResult::Refused(before)] = &record.results[..] else {
            panic!("one refusal, and no more")
        };
        assert_eq!((before.kind, &*before.code), (RefusedAs::Invalid, "unknown_template"));
        assert!(before.errors.is_empty());
    }
}
