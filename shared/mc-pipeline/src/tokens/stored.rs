//! A token as it lies in the store: its sealed value, the lease of whoever fetches it, and the last failure.

use std::time::Duration;

use mc_core::ports::{Attr, Attrs, Change, Cond, Item, Op, SendError, SendFailure, Store, WriteError};
use mc_core::{Error, ErrorKind, Result, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Held, LEASE};
use crate::keys;
use crate::seal::Sealer;
use crate::share;

const VALUE: &str = "v";
const REFRESH: &str = "r";
const END: &str = "e";
/// Until when somebody fetches it; 0 when nobody does.
const LEASED: &str = "lg";
const OWNER: &str = "o";
const TROUBLE: &str = "x";

/// A failed fetch, as other processes learn of it.
#[derive(Clone, Serialize, Deserialize)]
struct Failed {
    at: i64,
    class: Class,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_ms: Option<u64>,
    code: String,
    text: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    Permanent,
    Channel,
    Throttled,
    Transient,
    Doubt,
}

impl Failed {
    fn of(error: &SendError, at: Timestamp) -> Self {
        let (class, after) = match error.failure {
            SendFailure::Permanent => (Class::Permanent, None),
            SendFailure::Channel => (Class::Channel, None),
            SendFailure::Throttled { after } => (Class::Throttled, after),
            SendFailure::Transient { after } => (Class::Transient, after),
            SendFailure::Doubt => (Class::Doubt, None),
        };
        let after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let (code, text) = (error.code.clone(), error.text.clone());
        Self { at: at.millis(), class, after_ms, code, text }
    }

    fn error(&self) -> SendError {
        let after = self.after_ms.map(Duration::from_millis);
        let failure = match self.class {
            Class::Permanent => SendFailure::Permanent,
            Class::Channel => SendFailure::Channel,
            Class::Throttled => SendFailure::Throttled { after },
            Class::Transient => SendFailure::Transient { after },
            Class::Doubt => SendFailure::Doubt,
        };
        SendError { failure, code: self.code.clone(), text: self.text.clone() }
    }
}

/// What the store holds under a name.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) held: Option<Held>,
    failed: Option<Failed>,
    /// The lease as it was read; `None` when there is no item yet.
    lease: Option<(i64, String)>,
}

/// What taking the lease came to.
pub(super) enum Take {
    Ours,
    Theirs,
}

impl Stored {
    pub(super) async fn read(store: &dyn Store, sealer: &Sealer, project: &str, name: &str) -> Result<Self> {
        let Some(item) = store.get(&keys::token(project, name)).await? else { return Ok(Self::default()) };
        let attrs = &item.attrs;
        let time = |name| Timestamp::from_millis(attrs.num(name).unwrap_or(0));
        // A value that does not open is under a key that is gone: it is fetched anew.
        let value = attrs.text(VALUE).and_then(|sealed| sealer.open(&context(project, name), sealed).ok());
        Ok(Self {
            held: value.map(|value| Held {
                value: Secret::new(value.as_str()),
                refresh: time(REFRESH),
                end: time(END),
            }),
            failed: share::json(attrs, TROUBLE)?,
            lease: Some((attrs.num(LEASED).unwrap_or(0), attrs.text(OWNER).unwrap_or_default().to_owned())),
        })
    }

    /// Whether somebody is fetching it. A lease that ends later than any could belongs to a clock that is wrong.
    pub(super) fn is_leased(&self, now: Timestamp) -> bool {
        let until = self.lease.as_ref().map_or(0, |(until, _)| *until);
        now.millis() < until && until <= now.after(LEASE * 2).millis()
    }

    /// The failure of a fetch that is not longer ago than `pause`.
    pub(super) fn trouble_since(&self, now: Timestamp, pause: Duration) -> Option<SendError> {
        let recent = |f: &&Failed| now.since(Timestamp::from_millis(f.at)) < pause;
        self.failed.as_ref().filter(recent).map(Failed::error)
    }

    /// Takes the lease, if it is still as it was read.
    pub(super) async fn take(
        &self,
        store: &dyn Store,
        project: &str,
        name: &str,
        owner: &str,
        until: Timestamp,
    ) -> Result<Take> {
        let key = keys::token(project, name);
        let op = match &self.lease {
            None => {
                let attrs = Attrs::new().with(LEASED, until).with(OWNER, owner);
                Op::put_new(Item::new(key, attrs).expiring(until))
            }
            Some((leased, last)) => Op::Update(
                key,
                vec![
                    Change::set(LEASED, until),
                    Change::set(OWNER, owner),
                    Change::Expire(Some(self.held.as_ref().map_or(until, |held| held.end.max(until)))),
                ],
                vec![
                    Cond::Eq(LEASED.into(), Attr::Num(*leased)),
                    Cond::Eq(OWNER.into(), Attr::Text(last.clone())),
                ],
            ),
        };
        match store.write(op).await {
            Ok(_) => Ok(Take::Ours),
            Err(WriteError::Conflict(_)) => Ok(Take::Theirs),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }
}

/// Stores what was fetched and gives the lease back, unless somebody else has it by now.
pub(super) async fn share(
    store: &dyn Store,
    sealer: &Sealer,
    (project, name): (&str, &str),
    owner: &str,
    held: &Held,
    trouble: Option<SendError>,
    now: Timestamp,
) -> Result<()> {
    let sealed = sealer
        .seal(&context(project, name), held.value.expose())
        .map_err(|e| Error::new(ErrorKind::Sealed, "a token cannot be sealed").because(e))?;
    let mut changes = vec![
        Change::set(VALUE, sealed),
        Change::set(REFRESH, held.refresh),
        Change::set(END, held.end),
        Change::set(LEASED, 0),
        Change::Expire(Some(held.end)),
    ];
    changes.push(match trouble {
        Some(error) => Change::set(TROUBLE, serde_json::to_vec(&Failed::of(&error, now))?),
        None => Change::Remove(TROUBLE.into()),
    });
    write(store, project, name, owner, changes).await
}

/// Notes a failed fetch and gives the lease back.
pub(super) async fn release(
    store: &dyn Store,
    (project, name): (&str, &str),
    owner: &str,
    error: &SendError,
    now: Timestamp,
) -> Result<()> {
    let failed = serde_json::to_vec(&Failed::of(error, now))?;
    write(store, project, name, owner, vec![Change::set(LEASED, 0), Change::set(TROUBLE, failed)]).await
}

async fn write(
    store: &dyn Store,
    project: &str,
    name: &str,
    owner: &str,
    changes: Vec<Change>,
) -> Result<()> {
    let mine = vec![Cond::Eq(OWNER.into(), Attr::Text(owner.to_owned()))];
    match store.write(Op::Update(keys::token(project, name), changes, mine)).await {
        // Whoever took the lease after us stores a newer value.
        Ok(_) | Err(WriteError::Conflict(_)) => Ok(()),
        Err(WriteError::Failed(error)) => Err(error),
    }
}

/// What a sealed token is bound to.
fn context(project: &str, name: &str) -> String {
    format!("token/{project}/{name}")
}
