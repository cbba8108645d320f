//! How many people an app may write to.

use std::collections::{HashMap, VecDeque};

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::DAY_MS;
use super::send::json_body;
use crate::answer::Refusal;
use crate::item::Platform;
use crate::sandbox::Sandbox;

const PER_ACCOUNT: u64 = 200;
const A_MINUTE: usize = 30;
const AN_HOUR: usize = 1000;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const BEIJING_MS: u64 = 8 * HOUR_MS;

/// What an app has sent.
#[derive(Default)]
pub(super) struct Quota {
    day: u64,
    sent: u64,
    members: HashMap<String, VecDeque<u64>>,
}

impl Quota {
    /// Counts a message to so many people against the day's limit.
    pub(super) fn take(&mut self, people: usize, accounts: Option<u64>, now: u64) -> Result<(), Refusal> {
        let day = (now + BEIJING_MS) / DAY_MS;
        if self.day != day {
            (self.day, self.sent) = (day, 0);
        }
        let sent = self.sent + u64::try_from(people).unwrap_or(u64::MAX);
        if accounts.is_some_and(|accounts| sent > accounts * PER_ACCOUNT) {
            return Err(Refusal::new(45009, "reach max api daily quota limit"));
        }
        self.sent = sent;
        Ok(())
    }

    /// How many people were written to in the day that runs, and nothing of another day.
    fn today(&self, now: u64) -> u64 {
        if self.day == (now + BEIJING_MS) / DAY_MS { self.sent } else { 0 }
    }

    /// Whether a member may get one more message now.
    pub(super) fn member(&mut self, user: &str, now: u64) -> bool {
        let got = self.members.entry(user.to_lowercase()).or_default();
        while got.front().is_some_and(|at| now.saturating_sub(*at) >= HOUR_MS) {
            got.pop_front();
        }
        let this_minute = got.iter().rev().take_while(|at| now.saturating_sub(**at) < MINUTE_MS).count();
        let fits = this_minute < A_MINUTE && got.len() < AN_HOUR;
        if fits {
            got.push_back(now);
        }
        fits
    }
}

/// `POST /cgi-bin/message/get_statistics?access_token=`, of today only.
pub(crate) async fn statistics(
    State(sandbox): State<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.wecom_apps().by_token(query.as_deref(), now, |state| {
            json_body(&method, &body)?;
            let app = json!({"agentid": state.agent, "app_name": "sandbox", "count": state.quota.today(now)});
            Ok(json!({"errcode": 0, "errmsg": "ok", "statistics": [app]}))
        })
    };
    sandbox.aside(Platform::WecomApp, "statistics", judge).await
}
