//! `send-*`: works on the tasks of one family's queue.

use std::time::Duration;

use mc_aws::queue::{Record, work};
use mc_core::Error;
use mc_core::ports::Family;
use mc_pipeline::deliver::Deliverer;
use mc_pipeline::quota;
use serde::Serialize;
use serde_json::Value;

use crate::event::Batch;
use crate::place::Place;
use crate::runtime::{Done, Handler, Invocation};

/// No push begins with less time than this before the deadline: a push takes up to 15 seconds, and its outcome is to be
/// written.
const PUSH: Duration = Duration::from_secs(24);

/// What is not finished this long before the deadline is given back.
const RETURN: Duration = Duration::from_secs(4);

/// The handler.
pub(super) struct Send(pub(super) Family);

/// Which messages have to come again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply {
    batch_item_failures: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    item_identifier: String,
}

impl Handler for Send {
    type Answer = Reply;

    async fn handle(
        &self,
        place: &Place,
        event: &str,
        invocation: &Invocation,
    ) -> Result<Done<Reply>, Error> {
        let batch: Batch<'_> = serde_json::from_str(event)?;
        let count = batch.records.len();
        let records = batch.records.into_iter().map(|record| Record {
            id: record.message_id.0.into_owned(),
            body: record.body.0.into_owned(),
            receives: record.attributes.approximate_receive_count.0.parse().unwrap_or(1),
            receipt: record.receipt_handle.0.into_owned(),
        });
        let center = place.center().await?;
        let queue = place.aws.queue()?;
        let until = invocation.deadline.before(PUSH);
        let end = tokio::time::sleep(invocation.left(place.clock.now(), RETURN));
        let deliverer = Deliverer::new(center.clone());
        let worked = work(&queue, self.0, &deliverer, records.collect(), Some(until), end).await;
        if let Err(error) = quota::flush(&center).await {
            tracing::warn!(error = %error, "what was counted of quotas could not be written and will be later");
        }
        let mut fields = vec![("records", Value::from(count)), ("done", Value::from(worked.done))];
        for (name, tasks) in [("again", worked.again), ("unpacked", worked.unpacked), ("lost", worked.lost)] {
            if tasks > 0 {
                fields.push((name, Value::from(tasks)));
            }
        }
        let failures = worked.failed.into_iter().map(|id| Item { item_identifier: id });
        Ok(Done { answer: Reply { batch_item_failures: failures.collect() }, fields })
    }
}
