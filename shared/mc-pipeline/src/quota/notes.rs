//! What is noted of a channel's quotas besides the counts: the platform's answers, and what was told to whom.

use std::time::Duration;

use mc_core::ports::{Attr, Attrs, Cond, Figure, Item, Op, Window, WriteError};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::center::Center;
use crate::keys;
use crate::share::{self, attr};

/// Notes of a channel that nobody looks after any more are forgotten.
const LIFE: Duration = Duration::from_secs(62 * 86_400);

const VERSION: &str = "v";

/// What a platform said, and where our own count stood then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub limit: Option<u64>,
    pub used: Option<u64>,
    /// What of our count the platform's number holds already. In a rolling window only the count of the hour of `at`.
    pub base: u64,
    pub at: Timestamp,
}

/// When a window was found used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsedUp {
    pub at: Timestamp,
    /// Whether the platform said so, and not our count.
    pub refused: bool,
}

/// What is noted of one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_up: Option<UsedUp>,
    /// When the project's webhooks were told that it is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_used_up: Option<Timestamp>,
    /// When they were told that little is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_low: Option<Timestamp>,
}

/// Everything that is noted of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    #[serde(default)]
    windows: Vec<(Window, Note)>,
    /// How many pushes in a second the platform takes, as it said when it last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// When that was too much for it, as a refusal said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_fast_at: Option<Timestamp>,
    /// When the platform was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// Why it gave no figures then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Notes {
    /// What is noted of a window.
    pub fn of(&self, window: Window) -> Note {
        self.windows.iter().find(|(w, _)| *w == window).map(|(_, note)| *note).unwrap_or_default()
    }

    /// The same, to change it.
    pub fn entry(&mut self, window: Window) -> &mut Note {
        let place = self.windows.iter().position(|(w, _)| *w == window).unwrap_or_else(|| {
            self.windows.push((window, Note::default()));
            self.windows.len() - 1
        });
        &mut self.windows[place].1
    }

    /// Takes over a platform's figure. One that leaves something ends an earlier refusal.
    pub fn hear(&mut self, figure: Figure, base: u64, at: Timestamp) {
        let note = self.entry(figure.window);
        note.told = Some(Told { limit: figure.limit, used: figure.used, base, at });
        if let (Some(limit), Some(used)) = (figure.limit, figure.used)
            && used < limit
        {
            note.used_up = note.used_up.filter(|used_up| !used_up.refused);
        }
    }

    /// Reads a stored item.
    pub fn read(item: Option<&Item>) -> Result<Self> {
        let doc = item.map(|item| share::json(&item.attrs, attr::DOC)).transpose()?;
        Ok(doc.flatten().unwrap_or_default())
    }
}

/// Changes what is noted, again if somebody else does at the same time. `change` answers whether there is a change.
pub(crate) async fn change(
    center: &Center,
    project: &str,
    channel: &str,
    change: impl Fn(&mut Notes) -> bool + Send + Sync,
) -> Result<Notes> {
    let key = keys::quota_notes(project, channel);
    loop {
        let stored = center.store.get(&key).await?;
        let mut notes = Notes::read(stored.as_ref())?;
        if !change(&mut notes) {
            return Ok(notes);
        }
        let version = stored.as_ref().and_then(|item| item.attrs.num(VERSION));
        let cond = version.map_or(Cond::NotExists, |v| Cond::Eq(VERSION.into(), Attr::Num(v)));
        let attrs =
            Attrs::new().with(attr::DOC, serde_json::to_vec(&notes)?).with(VERSION, version.unwrap_or(0) + 1);
        let item = Item::new(key.clone(), attrs).expiring(center.clock.now().after(LIFE));
        match center.store.write(Op::Put(item, vec![cond])).await {
            Ok(_) => return Ok(notes),
            Err(WriteError::Conflict(_)) => {}
            Err(WriteError::Failed(error)) => return Err(error),
        }
    }
}
