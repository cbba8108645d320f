//! Mails through SES.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_sesv2::error::SdkError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, MessageTag, RawMessage};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mc_core::ports::{MailAccount, MailError, MailService, RawMail};

use crate::call::{Blame, Calls, blame};
use crate::lazy::Lazy;
use crate::meter::Operation;

/// SES with the rights of where we run. Clones share its client.
#[derive(Clone)]
pub struct SesMail {
    client: Lazy<aws_sdk_sesv2::Client>,
    calls: Calls,
    endpoint: Option<String>,
}

impl fmt::Debug for SesMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SesMail")
    }
}

impl SesMail {
    pub(crate) fn new(client: Lazy<aws_sdk_sesv2::Client>, calls: Calls, endpoint: Option<String>) -> Self {
        Self { client, calls, endpoint }
    }

    /// Counts one attempt and reads its failure.
    fn counted<T, E>(
        &self,
        operation: Operation,
        result: Result<T, SdkError<E, Response>>,
    ) -> Result<T, MailError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.calls.meter.called(operation);
        self.calls.meter.used(operation, 1);
        result.map_err(|error| {
            self.calls.meter.failed(operation);
            read(&error)
        })
    }
}

fn read<E>(error: &SdkError<E, Response>) -> MailError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let maybe_sent = blame(error) == Blame::Unavailable { maybe_done: true };
    match error {
        // A success that cannot be read may have come from something in between.
        SdkError::ServiceError(failure) if failure.raw().status().is_success() => {
            our("no_answer", "the answer is not one of SES", true)
        }
        SdkError::ServiceError(failure) => MailError {
            code: failure.err().code().unwrap_or("unknown").to_owned(),
            status: Some(failure.raw().status().as_u16()),
            text: failure.err().message().unwrap_or("SES gave no reason").to_owned(),
            // SES answered that it did not take it.
            maybe_sent: false,
        },
        SdkError::ConstructionFailure(_) => {
            our("bad_request", "the mail cannot be put into a request", false)
        }
        _ if maybe_sent => our("no_answer", "the connection broke before SES confirmed the mail", true),
        _ => our("connect", "no connection to SES", false),
    }
}

fn our(code: &str, text: &str, maybe_sent: bool) -> MailError {
    MailError { code: code.to_owned(), status: None, text: text.to_owned(), maybe_sent }
}

fn unbuilt(error: impl fmt::Display) -> MailError {
    our("bad_request", &error.to_string(), false)
}

#[async_trait]
impl MailService for SesMail {
    async fn send(&self, mail: RawMail<'_>) -> Result<String, MailError> {
        let to = mail.to.iter().map(|address| (*address).to_owned()).collect();
        let raw = RawMessage::builder().data(Blob::new(mail.mime)).build().map_err(unbuilt)?;
        let mut request = self
            .client
            .get()
            .send_email()
            .from_email_address(mail.from)
            .destination(Destination::builder().set_to_addresses(Some(to)).build())
            .content(EmailContent::builder().raw(raw).build())
            .set_configuration_set_name(mail.configuration_set.map(ToOwned::to_owned));
        for (name, value) in mail.tags {
            let tag = MessageTag::builder().name(*name).value(*value).build().map_err(unbuilt)?;
            request = request.email_tags(tag);
        }
        let answer = self.counted(Operation::SendEmail, request.send().await)?;
        answer
            .message_id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| our("no_id", "SES took the mail and named no id", true))
    }

    async fn account(&self) -> Result<MailAccount, MailError> {
        let account = self.counted(Operation::GetAccount, self.client.get().get_account().send().await)?;
        let quota = account.send_quota.as_ref();
        Ok(MailAccount {
            production: account.production_access_enabled,
            sending: account.sending_enabled,
            standing: account.enforcement_status,
            per_day: quota.map_or(0.0, |quota| quota.max24_hour_send),
            per_second: quota.map_or(0.0, |quota| quota.max_send_rate),
            sent_last_day: quota.map_or(0.0, |quota| quota.sent_last24_hours),
        })
    }

    fn base_url(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }
}
