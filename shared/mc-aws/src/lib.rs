//! The message center's ports on AWS: the store on DynamoDB, the queues on SQS, mails through SES, secrets from Secrets
//! Manager, attachments on S3.
//!
//! [`Aws::from_env`] reads the environment and nothing else; each client is built when it is first used. A crate feature
//! for each service (`dynamodb`, `sqs`, `ses`, `secrets`, `s3`) leaves out what a program does not need.
#![deny(missing_docs)]
#![cfg_attr(
    not(all(feature = "dynamodb", feature = "ses", feature = "secrets", feature = "s3")),
    allow(dead_code, unused_variables, reason = "what the services share is not used by each of them")
)]

mod aws;
mod call;
mod connector;
mod lazy;
pub mod meter;
pub mod settings;

#[cfg(feature = "s3")]
mod blobs;
#[cfg(feature = "sqs")]
pub mod queue;
#[cfg(feature = "secrets")]
mod secrets;
#[cfg(feature = "ses")]
mod ses;
#[cfg(feature = "dynamodb")]
mod store;

pub use aws::{Aws, Service};
pub use settings::Settings;

#[cfg(feature = "s3")]
pub use blobs::S3Blobs;
#[cfg(feature = "sqs")]
pub use queue::SqsQueue;
#[cfg(feature = "secrets")]
pub use secrets::Secrets;
#[cfg(feature = "ses")]
pub use ses::SesMail;
#[cfg(feature = "dynamodb")]
pub use store::{DynamoStore, OVERFLOW_PREFIX};
