//! Sending, counting and redriving.

use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, QueueAttributeName, SendMessageBatchRequestEntry,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use mc_core::ports::{Family, Outgoing, QueueDepth};
use mc_core::{Error, ErrorKind, Result};

use super::wire::{self, Packed};
use super::{Hands, SqsQueue};
use crate::call::{Patience, failure};
use crate::meter::Operation;
use crate::settings::{missing, names};

/// SQS takes so many messages in one request,
const ENTRIES: usize = 10;

/// and so many bytes of them together (1 MiB), less a little room for what surrounds them.
const BYTES: usize = 1_000_000;

/// What is paid as one request.
const PIECE: usize = 64 << 10;

/// Requests that run side by side.
const WIDTH: usize = 4;

/// How often messages that SQS did not take are sent again.
const STALLS: u32 = 6;

/// A message from a crash-loop queue is ours for so long while it is sent again.
const HELD: i32 = 60;

/// A task that may have ended its process comes again after so many seconds, if it does: twice the visibility timeout
/// that the template gives the queues, so that those it came with are done by then.
const PARTED: i32 = 720;

const WHAT: &str = "the queue takes no tasks";

#[async_trait::async_trait]
impl Hands for SqsQueue {
    async fn again(&self, tasks: Vec<Outgoing>) -> Result<()> {
        self.send_packed(wire::pack(tasks, wire::TASKS)).await
    }

    async fn singly(&self, tasks: Vec<Outgoing>) -> Result<()> {
        self.send_packed(wire::pack(tasks, 1)).await
    }

    async fn acknowledge(&self, family: Family, receipts: Vec<String>) -> Result<()> {
        self.delete(&self.urls.of(family), receipts).await
    }

    async fn part(&self, family: Family, receipt: &str) -> Result<()> {
        let url = self.urls.of(family);
        let request = self
            .client
            .get()
            .change_message_visibility()
            .queue_url(&url)
            .receipt_handle(receipt)
            .visibility_timeout(PARTED);
        let called = self
            .calls
            .call(Operation::ChangeMessageVisibility, Patience::Usual, || request.clone().send())
            .await;
        self.calls.meter.used(Operation::ChangeMessageVisibility, 1);
        called.result.map_err(|error| failure("a message cannot be hidden", error).with("queue", &url))?;
        Ok(())
    }
}

impl SqsQueue {
    pub(super) async fn send_packed(&self, envelopes: Vec<Packed>) -> Result<()> {
        let requests = requests(envelopes)?;
        let sent = stream::iter(requests).map(|(family, some)| self.send_batch(family, some));
        sent.buffer_unordered(WIDTH).try_collect().await
    }

    /// Sends up to ten messages, and those again that SQS did not take.
    async fn send_batch(&self, family: Family, mut entries: Vec<Entry>) -> Result<()> {
        let url = self.urls.of(family);
        let mut stalls = 0;
        while !entries.is_empty() {
            let bytes = entries.iter().map(|entry| entry.body.len()).sum::<usize>();
            let messages = entries.iter().enumerate().map(|(n, entry)| entry.message(n));
            let messages = messages.collect::<Result<Vec<_>>>()?;
            let request = self.client.get().send_message_batch().queue_url(&url).set_entries(Some(messages));
            let called =
                self.calls.call(Operation::SendMessageBatch, Patience::Long, || request.clone().send()).await;
            let answer = called.result.map_err(|error| failure(WHAT, error).with("queue", &url))?;
            self.calls.meter.used(Operation::SendMessageBatch, pieces(bytes));
            if let Some(refused) = answer.failed.iter().find(|failed| failed.sender_fault) {
                return Err(Error::new(ErrorKind::Internal, WHAT)
                    .with("queue", &url)
                    .with("aws", &refused.code));
            }
            let left: Vec<usize> = answer.failed.iter().filter_map(|failed| failed.id.parse().ok()).collect();
            let before = entries.len();
            let mut n = 0;
            entries.retain(|_| {
                n += 1;
                left.contains(&(n - 1))
            });
            if !entries.is_empty() {
                stalls = if entries.len() < before { 1 } else { stalls + 1 };
                if stalls > STALLS {
                    return Err(Error::new(ErrorKind::Throttled, WHAT).with("queue", &url));
                }
                self.calls.pause(stalls).await;
            }
        }
        Ok(())
    }

    /// Only the crash loops are asked for: the queue itself counts envelopes and not tasks, and is watched by alarms.
    pub(super) async fn count_all(&self) -> Result<Vec<QueueDepth>> {
        let counts = stream::iter(Family::ALL).map(|family| async move {
            let crash_loops = match &self.dead_urls {
                Some(urls) => self.count(&urls.of(family)).await?,
                None => 0,
            };
            Ok(QueueDepth { family, waiting: None, oldest: None, crash_loops })
        });
        counts.buffered(WIDTH).try_collect().await
    }

    async fn count(&self, url: &str) -> Result<u64> {
        let mut request = self.client.get().get_queue_attributes().queue_url(url);
        for name in [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ] {
            request = request.attribute_names(name);
        }
        let called =
            self.calls.call(Operation::GetQueueAttributes, Patience::Usual, || request.clone().send()).await;
        self.calls.meter.used(Operation::GetQueueAttributes, 1);
        let answer =
            called.result.map_err(|error| failure("a queue cannot be counted", error).with("queue", url))?;
        let counts = answer.attributes.unwrap_or_default();
        Ok(counts.values().filter_map(|count| count.parse::<u64>().ok()).sum())
    }

    pub(super) async fn redrive_all(&self, family: Family) -> Result<u64> {
        let urls = self.dead_urls.as_ref().ok_or_else(|| missing(names::DEAD_QUEUE_URL))?;
        let url = urls.of(family);
        let mut redriven = 0;
        loop {
            let messages = self.receive(&url).await?;
            if messages.is_empty() {
                return Ok(redriven);
            }
            let (mut tasks, mut done) = (Vec::new(), Vec::new());
            for message in messages {
                match wire::read(message.body.as_deref().unwrap_or_default()) {
                    Ok((group, some)) => {
                        let outgoing = some.into_iter().map(|task| Outgoing {
                            family,
                            group: group.clone(),
                            task,
                            delay: std::time::Duration::ZERO,
                        });
                        tasks.extend(outgoing);
                        done.extend(message.receipt_handle);
                    }
                    Err(error) => tracing::error!(error = %error, "a crash loop stays where it is"),
                }
            }
            redriven += tasks.len() as u64;
            // Sent before they are deleted: at worst a task comes twice.
            self.singly(tasks).await?;
            self.delete(&url, done).await?;
        }
    }

    async fn receive(&self, url: &str) -> Result<Vec<Message>> {
        // A long poll asks all of SQS's servers; a short one may overlook messages.
        let request = self
            .client
            .get()
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .visibility_timeout(HELD)
            .wait_time_seconds(1);
        let called =
            self.calls.call(Operation::ReceiveMessage, Patience::Usual, || request.clone().send()).await;
        self.calls.meter.used(Operation::ReceiveMessage, 1);
        let answer =
            called.result.map_err(|error| failure("a queue cannot be read", error).with("queue", url))?;
        Ok(answer.messages.unwrap_or_default())
    }

    async fn delete(&self, url: &str, receipts: Vec<String>) -> Result<()> {
        let entry = |(n, receipt): (usize, String)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string()).receipt_handle(receipt);
            entry.build().map_err(|error| Error::new(ErrorKind::Internal, WHAT).because(error))
        };
        let entries = receipts.into_iter().enumerate().map(entry).collect::<Result<Vec<_>>>()?;
        if entries.is_empty() {
            return Ok(());
        }
        let request = self.client.get().delete_message_batch().queue_url(url).set_entries(Some(entries));
        let called =
            self.calls.call(Operation::DeleteMessageBatch, Patience::Usual, || request.clone().send()).await;
        self.calls.meter.used(Operation::DeleteMessageBatch, 1);
        called.result.map_err(|error| failure("a queue forgets nothing", error).with("queue", url))?;
        Ok(())
    }
}

/// One message of a request.
#[derive(Debug)]
struct Entry {
    group: String,
    delay: i32,
    body: String,
}

impl Entry {
    fn message(&self, n: usize) -> Result<SendMessageBatchRequestEntry> {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(n.to_string())
            .message_body(&self.body)
            .message_group_id(&self.group);
        let entry = if self.delay > 0 { entry.delay_seconds(self.delay) } else { entry };
        entry.build().map_err(|error| Error::new(ErrorKind::Internal, WHAT).because(error))
    }
}

/// Fills requests to the count and the bytes that SQS takes.
fn requests(envelopes: Vec<Packed>) -> Result<Vec<(Family, Vec<Entry>)>> {
    let mut requests: Vec<(Family, usize, Vec<Entry>)> = Vec::new();
    for envelope in envelopes {
        let body = envelope.body()?;
        let bytes = body.len();
        let entry = Entry { group: envelope.group.as_str().to_owned(), delay: envelope.delay, body };
        let fits = |(family, size, entries): &&mut (Family, usize, Vec<Entry>)| {
            *family == envelope.family && entries.len() < ENTRIES && *size + bytes <= BYTES
        };
        match requests.iter_mut().rev().find(fits) {
            Some((_, size, entries)) => {
                *size += bytes;
                entries.push(entry);
            }
            None => requests.push((envelope.family, bytes, vec![entry])),
        }
    }
    Ok(requests.into_iter().map(|(family, _, entries)| (family, entries)).collect())
}

fn pieces(bytes: usize) -> u64 {
    bytes.div_ceil(PIECE).max(1) as u64
}

#[cfg(test)]
mod tests {
    use mc_core::model::Priority;
    use mc_core::ports::{Group, Task};

    use super::*;

    fn packed(family: Family, channel: &str) -> Packed {
        let message = "msg_01HF7YAT31000000000000001A".parse().unwrap();
        let task =
            Task::Deliver { project: "p".into(), message, share: 0, channel: channel.into(), slot: None };
        Packed { family, group: Group::of("p", Priority::Normal), delay: 0, tasks: vec![task] }
    }

    #[test]
    fn requests_are_filled_to_the_count() {
        let mixed = (0..25).map(|n| packed(if n % 5 == 0 { Family::Wecom } else { Family::Email }, "c"));
        let sizes: Vec<_> =
            requests(mixed.collect()).unwrap().into_iter().map(|(f, entries)| (f, entries.len())).collect();
        assert_eq!(sizes, [(Family::Wecom, 5), (Family::Email, 10), (Family::Email, 10)]);
    }

    #[test]
    fn requests_are_filled_to_the_bytes() {
        let long = "c".repeat(400_000);
        let five = (0..5).map(|_| packed(Family::Email, &long)).collect();
        let sizes: Vec<_> = requests(five).unwrap().into_iter().map(|(_, entries)| entries.len()).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!((pieces(1), pieces(PIECE), pieces(PIECE + 1)), (1, 1, 2));
    }
}
