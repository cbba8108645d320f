//! The way every message over HTTP takes: fault, judgement, inbox, answer.

use std::time::Duration;

use axum::response::Response;

use crate::answer::{self, Refusal, Verdict};
use crate::faults::SmtpStage;
use crate::item::Item;
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

    /// Puts a judged item into the inbox and returns its number.
    pub(crate) fn record(&self, mut item: Item, verdict: &Verdict) -> u64 {
        match verdict {
            Verdict::Duplicate => return self.last(),
            Verdict::Accepted => item.accepted = true,
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
