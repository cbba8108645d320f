//! The way every message over HTTP takes: fault, judgement, inbox, answer.

use std::time::Duration;

use axum::response::Response;
use serde_json::Value;

use crate::answer::{self, Refusal, Verdict};
use crate::faults::SmtpStage;
use crate::item::{Item, Platform};
use crate::sandbox::Sandbox;

impl Sandbox {
    /// Judges `item`, stores it and answers, unless a fault interferes. `judge` may complete the item.
    pub(crate) async fn receive(&self, mut item: Item, judge: impl FnOnce(&mut Item) -> Verdict) -> Response {
        let platform = item.platform;
        let fault = self.faults().take(platform, SmtpStage::Data, |text| item.mentions(text));
        let Some(fault) = fault else {
            let verdict = judge(&mut item);
            let n = self.record(item, &verdict);
            return answer::answer(platform, &verdict, n);
        };
        if fault.drop {
            pause(fault.delay_ms).await;
            return answer::cut();
        }
        let response = if fault.refuses() {
            self.record(item, &Verdict::Refused(Refusal::by(&fault)));
            answer::faulty(&fault)
        } else {
            let verdict = judge(&mut item);
            let n = self.record(item, &verdict);
            answer::answer(platform, &verdict, n)
        };
        pause(fault.delay_ms).await;
        if fault.cut { answer::cut() } else { response }
    }

    /// Answers a call that is no message (a token, a list of templates), unless a fault for it interferes.
    /// `call` is the name by which faults know it.
    pub(crate) async fn aside(
        &self,
        platform: Platform,
        call: &str,
        judge: impl FnOnce() -> Result<Value, Refusal>,
    ) -> Response {
        let fault = self.faults().take_aside(platform, call);
        let Some(fault) = fault else { return answer::aside(platform, judge()) };
        if fault.drop {
            pause(fault.delay_ms).await;
            return answer::cut();
        }
        let response =
            if fault.refuses() { answer::faulty(&fault) } else { answer::aside(platform, judge()) };
        pause(fault.delay_ms).await;
        if fault.cut { answer::cut() } else { response }
    }

    /// Puts a judged item into the inbox and returns its number.
    pub(crate) fn record(&self, mut item: Item, verdict: &Verdict) -> u64 {
        match verdict {
            Verdict::Duplicate | Verdict::Repeated(_) => return self.last(),
            Verdict::Accepted | Verdict::Answered(_) => item.accepted = true,
            Verdict::Refused(refusal) => {
                item.errcode = refusal.errcode;
                item.errmsg = Some(refusal.errmsg.clone());
            }
        }
        item.at = self.now();
        tracing::debug!(
            platform = ?item.platform,
            target = item.target,
            kind = item.kind,
            accepted = item.accepted,
            errcode = item.errcode,
            "sandbox received a message"
        );
        self.store(item)
    }
}

/// Lets time pass in front of an answer.
pub(crate) async fn pause(delay_ms: u64) {
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
}
