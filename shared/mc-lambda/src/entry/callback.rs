//! `callback`: what platforms tell over HTTP, and SES through EventBridge.

use mc_core::{Error, ErrorKind, Result};
use mc_pipeline::receipts;
use serde_json::{Value, json};

use super::ingest::Reply;
use super::requests::Requests;
use crate::event::{BusEvent, Incoming};
use crate::place::Place;
use crate::runtime::{Done, Handler, Invocation};

/// Who says what became of a mail.
const SES: &str = "aws.ses";

/// The handler.
pub(super) struct Callback(Requests);

impl Default for Callback {
    fn default() -> Self {
        Self(Requests::new(mc_api::callback_router))
    }
}

impl Handler for Callback {
    type Answer = Reply;

    async fn handle(&self, place: &Place, event: &str, _: &Invocation) -> Result<Done<Reply>, Error> {
        match Incoming::read(event)? {
            Some(Incoming::Request(request)) => {
                let Done { answer, fields } = self.0.answer(place, *request).await?;
                Ok(Done { answer: Reply::Http(answer), fields })
            }
            Some(Incoming::Event(event)) => of_event(place, &event).await,
            None => Err(Error::new(ErrorKind::Internal, "this is neither a request nor an event")),
        }
    }
}

/// Takes over what became of a mail. An error is repeated by Lambda; an event of somebody else's mail is none.
async fn of_event(place: &Place, event: &BusEvent<'_>) -> Result<Done<Reply>> {
    if event.source.0 != SES {
        let text = "events of this source are nothing to this function";
        return Err(Error::new(ErrorKind::Internal, text).with("source", &event.source.0));
    }
    let detail: Value = serde_json::from_str(event.detail.get())?;
    let told = receipts::of_ses(&*place.center().await?, &detail).await?;
    let fields = vec![("event", Value::from(&*event.id.0)), ("told", Value::from(told))];
    Ok(Done { answer: Reply::Event(json!({"told": told})), fields })
}
