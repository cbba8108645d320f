//! `MAIL`, `RCPT` and `DATA`: one mail from its sender to the inbox.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::command::Path;
use super::data::{self, Received};
use super::envelope::{self, Envelope};
use super::mail;
use super::reply::Reply;
use super::session::{Next, Session, refusal, timed_out};
use crate::answer::{Refusal, Verdict};
use crate::faults::SmtpStage;
use crate::item::{Item, Mail, Platform};
use crate::receive::pause;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) async fn mail(&mut self, path: Path) -> Next {
        if !self.greeted {
            return Next::Say(Reply::bad_sequence("EHLO first"));
        }
        if self.envelope.is_some() {
            return Next::Say(Reply::bad_sequence("a mail is already under way"));
        }
        let options = self.sandbox.smtp_options();
        if options.require_auth && self.account.is_none() {
            return Next::Say(Reply::new(530, "5.7.0 authentication required"));
        }
        let foreign = self.account.as_ref().is_some_and(|account| *account != path.address);
        if options.sender_must_match && foreign {
            return Next::Say(Reply::new(553, "5.7.1 the sender must be the logged-in account"));
        }
        let max_size = options.max_size;
        if let Some(next) = self.stage(SmtpStage::Mail, &path.address).await {
            return next;
        }
        match Envelope::open(path, max_size) {
            Ok(envelope) => {
                self.envelope = Some(envelope);
                Next::Say(Reply::new(250, "2.1.0 sender ok"))
            }
            Err(reply) => Next::Say(reply),
        }
    }

    pub(super) async fn recipient(&mut self, path: Path) -> Next {
        let Some(mut envelope) = self.envelope.take() else {
            return Next::Say(Reply::bad_sequence("MAIL first"));
        };
        let address = path.address.clone();
        let next = match self.stage(SmtpStage::Rcpt, &address).await {
            Some(next) => next,
            None => match envelope.add(path) {
                Ok(()) => Next::Say(Reply::new(250, "2.1.5 recipient ok")),
                Err(reply) => Next::Say(reply),
            },
        };
        match &next {
            Next::Say(reply) if reply.code >= 400 => {
                envelope.refused = true;
                self.note_refused(&envelope.sender, address, reply);
            }
            Next::Say(_) if envelope::is_slow(&address) => {
                tokio::time::sleep(self.sandbox.smtp_options().slow).await;
            }
            Next::Say(_) | Next::Listen | Next::HangUp => {}
        }
        self.envelope = Some(envelope);
        next
    }

    pub(super) async fn data(&mut self) -> io::Result<Next> {
        let Some(envelope) = self.envelope.take() else {
            return Ok(Next::Say(Reply::bad_sequence("MAIL first")));
        };
        if envelope.recipients.is_empty() {
            let reply = if envelope.refused {
                Reply::new(554, "5.5.1 no valid recipients")
            } else {
                Reply::bad_sequence("RCPT first")
            };
            self.envelope = Some(envelope);
            return Ok(Next::Say(reply));
        }
        self.say(&Reply::new(354, "end with a dot on a line of its own")).await?;
        let options = self.sandbox.smtp_options();
        let (max_size, patience) = (options.max_size, options.line_timeout);
        match data::receive(&mut self.stream, max_size, patience).await? {
            Received::Mail(raw) => Ok(self.deliver(&envelope, &raw).await),
            Received::Refused(reply) => {
                let (item, _) = mail::read(&envelope, self.account.as_deref(), b"");
                self.sandbox.record(item, &Verdict::Refused(Refusal::from(&reply)));
                Ok(Next::Say(reply))
            }
            Received::TimedOut => Ok(Next::Say(timed_out())),
            Received::Closed => Ok(Next::HangUp),
        }
    }

    async fn deliver(&self, envelope: &Envelope, raw: &[u8]) -> Next {
        let (item, checked) = mail::read(envelope, self.account.as_deref(), raw);
        let faults = self.sandbox.faults();
        let fault = faults.take(Platform::Smtp, SmtpStage::Data, |text| item.mentions(text));
        if fault.as_ref().is_some_and(|fault| fault.drop) {
            pause(fault.map_or(0, |fault| fault.delay_ms)).await;
            return Next::HangUp;
        }
        let checked = match fault.as_ref().and_then(refusal) {
            Some(reply) => Err(reply),
            None => checked,
        };
        let reply = match checked {
            Ok(()) => {
                let n = self.sandbox.record(item, &Verdict::Accepted);
                Reply::new(250, format!("2.0.0 queued as {n}"))
            }
            Err(reply) => {
                self.sandbox.record(item, &Verdict::Refused(Refusal::from(&reply)));
                reply
            }
        };
        let Some(fault) = fault else { return Next::Say(reply) };
        pause(fault.delay_ms).await;
        if fault.cut { Next::HangUp } else { Next::Say(reply) }
    }

    /// A refused recipient leaves a trace, since the mail itself may never come.
    fn note_refused(&self, sender: &str, address: String, reply: &Reply) {
        let account = self.account.as_deref().unwrap_or("anonymous").to_owned();
        let mut item = Item::draft(Platform::Smtp, account, b"");
        item.kind = "rcpt".to_owned();
        item.to = vec![address];
        item.mail = Some(Mail { sender: sender.to_owned(), ..Mail::default() });
        self.sandbox.record(item, &Verdict::Refused(Refusal::from(reply)));
    }
}
