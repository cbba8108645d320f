//! A request that comes again under its `Idempotency-Key`: known by a record, and answered from it.

use std::time::Duration;

use mc_core::ports::{Attrs, Item, Op};
use mc_core::{Error, Result as CoreResult, Timestamp};
use serde::{Deserialize, Serialize};

use super::commit::{Accepted, Answer, Outcome};
use super::{Caller, Refusal};
use crate::center::Center;
use crate::keys;
use crate::share::{self, attr};

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
    Refused { code: String, detail: String },
}

/// What an earlier request with the same key was answered, if there was one.
pub async fn replay(
    center: &Center,
    caller: &Caller,
    idempotency: &Idempotency,
) -> Result<Option<Answer>, Refusal> {
    let key = keys::idempotency(&caller.project, &idempotency.key);
    let Some(item) = center.store.get(&key).await? else { return Ok(None) };
    let record: Record = share::json(&item.attrs, attr::DOC)?
        .ok_or_else(|| Error::new(mc_core::ErrorKind::Corrupt, "an idempotency record has no document"))?;
    if record.hash != idempotency.hash {
        return Err(Refusal::Conflict {
            code: "idempotency_key_reused",
            detail:
                "this Idempotency-Key was used for another request within the last 24 hours; use a new one"
                    .into(),
        });
    }
    let outcomes = record
        .results
        .into_iter()
        .map(|r| match r {
            RecordedResult::Accepted(accepted) => Outcome::Accepted(accepted),
            RecordedResult::Refused { code, detail } => Outcome::RefusedBefore { code, detail },
        })
        .collect();
    Ok(Some(Answer { outcomes, replayed: true, limits: Vec::new() }))
}

/// What makes a repeat of the request be answered like the first.
pub fn record(
    caller: &Caller,
    idempotency: &Idempotency,
    outcomes: &[Outcome],
    now: Timestamp,
) -> CoreResult<Op> {
    let results = outcomes
        .iter()
        .map(|o| match o {
            Outcome::Accepted(accepted) => RecordedResult::Accepted(accepted.clone()),
            Outcome::Refused(
                Refusal::Invalid { code, detail, .. }
                | Refusal::Conflict { code, detail }
                | Refusal::Forbidden { code, detail, .. }
                | Refusal::Limited { code, detail, .. },
            ) => RecordedResult::Refused { code: (*code).to_owned(), detail: detail.clone() },
            Outcome::Refused(Refusal::NotFound(code)) => {
                RecordedResult::Refused { code: "not_found".to_owned(), detail: (*code).to_owned() }
            }
            Outcome::Refused(Refusal::Failed(_)) => {
                RecordedResult::Refused { code: "internal".to_owned(), detail: String::new() }
            }
            Outcome::RefusedBefore { code, detail } => {
                RecordedResult::Refused { code: code.clone(), detail: detail.clone() }
            }
        })
        .collect();
    let doc = serde_json::to_vec(&Record { hash: idempotency.hash.clone(), results })?;
    let item =
        Item::new(keys::idempotency(&caller.project, &idempotency.key), Attrs::new().with(attr::DOC, doc));
    Ok(Op::put_new(item.expiring(now.after(IDEMPOTENCY_LIFE))))
}
