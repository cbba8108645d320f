//! A table, a bucket and queues of their own for each test, on the local AWS that the environment names.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_sqs::operation::delete_message::DeleteMessageError;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use mc_aws::queue::{Record, work};
use mc_aws::{Aws, Settings, SqsQueue};
use mc_core::ports::{Blobs, Consumer, Family, Queue, Store};
use mc_suites::PlaceUnderTest;
use mc_testkit::queue::{Abilities, QueueUnderTest};
use mc_testkit::store::StoreUnderTest;
use mc_testkit::{MockClock, SeqRandom};

/// Which emulator is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    MiniStack,
    Moto,
}

impl Emulator {
    /// The one that the environment names.
    pub fn here() -> Self {
        match variable("TESTS_AWS").as_str() {
            "ministack" => Emulator::MiniStack,
            "moto" => Emulator::Moto,
            other => panic!("TESTS_AWS is ministack or moto, not {other}"),
        }
    }
}

pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run these tests with `make test-aws`, which starts a local AWS")
    })
}

/// A client for plain HTTP. reqwest wants to know a TLS provider all the same.
pub fn http_client() -> reqwest::Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Everything of one test.
pub struct Rig {
    pub aws: Aws,
    pub clock: Arc<MockClock>,
    http: reqwest::Client,
}

impl Rig {
    pub async fn new() -> Self {
        Self::at(variable("AWS_ENDPOINT_URL")).await
    }

    /// The same with a proxy in front of the emulator. What is set up goes past the proxy.
    pub async fn at(endpoint: String) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("mc{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let clock = Arc::new(MockClock::default());
        let settings = |endpoint: String| {
            let mut settings = Settings::from_env().unwrap();
            settings.endpoint = Some(endpoint);
            settings.table = Some(name.clone());
            settings.bucket = Some(name.clone());
            let queues = format!("{}/123456789012/{name}", variable("AWS_ENDPOINT_URL"));
            settings.queue_url = Some(format!("{queues}-{{family}}"));
            settings.dead_queue_url = Some(format!("{queues}-{{family}}-dead"));
            settings
        };
        let make = |endpoint| Aws::new(settings(endpoint), clock.clone(), Arc::new(SeqRandom::default()));
        let behind = make(variable("AWS_ENDPOINT_URL"));
        let http = http_client();
        make_table(&behind, &name).await;
        for family in Family::ALL {
            make_queues(&behind, &format!("{name}-{}", family.as_str())).await;
        }
        let bucket = format!("{}/{name}", variable("AWS_ENDPOINT_URL"));
        assert!(http.put(bucket).send().await.unwrap().status().is_success());
        Self { aws: make(endpoint), clock, http }
    }

    pub fn queue(&self) -> SqsQueue {
        self.aws.queue().unwrap()
    }

    fn url(&self, family: Family) -> String {
        let name = self.aws.store().map(|store| format!("{store:?}")).unwrap();
        let name = name.split('"').nth(1).unwrap().to_owned();
        format!("{}/123456789012/{name}-{}", variable("AWS_ENDPOINT_URL"), family.as_str())
    }
}

async fn make_table(aws: &Aws, name: &str) {
    let mut request = aws.dynamodb().create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        request = request
            .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
            .attribute_definitions(
                AttributeDefinition::builder()
                    .attribute_name(name)
                    .attribute_type(ScalarAttributeType::S)
                    .build()
                    .unwrap(),
            );
    }
    request.send().await.unwrap();
}

async fn make_queues(aws: &Aws, name: &str) {
    let dead = aws.sqs().create_queue().queue_name(format!("{name}-dead")).send().await.unwrap();
    let arn = aws
        .sqs()
        .get_queue_attributes()
        .queue_url(dead.queue_url.unwrap())
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .unwrap();
    let arn = &arn.attributes.unwrap()[&QueueAttributeName::QueueArn];
    let redrive = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"5"}}"#);
    let attributes = HashMap::from([(QueueAttributeName::RedrivePolicy, redrive)]);
    aws.sqs().create_queue().queue_name(name).set_attributes(Some(attributes)).send().await.unwrap();
}

#[async_trait]
impl StoreUnderTest for Rig {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.aws.store().unwrap())
    }

    fn clock(&self) -> &MockClock {
        &self.clock
    }
}

impl PlaceUnderTest for Rig {
    fn shared_clock(&self) -> Arc<MockClock> {
        self.clock.clone()
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(self.aws.blobs().unwrap())
    }
}

#[async_trait]
impl QueueUnderTest for Rig {
    fn queue(&self) -> Arc<dyn Queue> {
        Arc::new(Rig::queue(self))
    }

    fn store(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.aws.store().unwrap()))
    }

    fn abilities(&self) -> Abilities {
        // Order is not promised by standard queues; fairness is SQS's own work, which the emulators do not do.
        Abilities { ordered: false, fair: false, counted: false, crash_loops: true }
    }

    /// Plays the event source: hands out batches, acknowledges what did not fail, and shows what did at once.
    async fn drive(&self, family: Family, consumer: Arc<dyn Consumer>) {
        let (url, queue) = (self.url(family), Rig::queue(self));
        loop {
            let request = self.aws.sqs().receive_message().queue_url(&url).max_number_of_messages(10);
            let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
            let messages = request.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return;
            }
            let records = messages.iter().map(|message| Record {
                id: message.message_id.clone().unwrap(),
                body: message.body.clone().unwrap(),
                receives: message.attributes.as_ref().unwrap()
                    [&MessageSystemAttributeName::ApproximateReceiveCount]
                    .parse()
                    .unwrap(),
                receipt: message.receipt_handle.clone().unwrap(),
            });
            let worked =
                work(&queue, family, &*consumer, records.collect(), None, std::future::pending()).await;
            for message in messages {
                let receipt = message.receipt_handle.unwrap();
                if worked.failed.contains(&message.message_id.unwrap()) {
                    let request = self.aws.sqs().change_message_visibility().queue_url(&url);
                    request.receipt_handle(receipt).visibility_timeout(0).send().await.unwrap();
                } else {
                    // What was acknowledged in the middle of the work is gone. SQS deletes it once more without a word,
                    // the emulators call its receipt wrong.
                    let request = self.aws.sqs().delete_message().queue_url(&url);
                    let deleted = request.receipt_handle(receipt).send().await;
                    let gone = |error: &DeleteMessageError| error.is_receipt_handle_is_invalid();
                    assert!(
                        deleted.is_ok() || deleted.is_err_and(|e| e.as_service_error().is_some_and(gone))
                    );
                }
            }
        }
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        let url = format!("{}?{}", variable("TESTS_AWS_CLOCK"), by.as_secs_f64());
        self.http.post(url).send().await.unwrap();
    }
}
