//! `callback`: what platforms and SES tell.

use mc_core::{Error, ErrorKind};

use super::requests::Requests;
use crate::event::Incoming;
use crate::http::Answer;
use crate::place::Place;
use crate::runtime::{Done, Handler, Invocation};

/// The handler.
pub(super) struct Callback(Requests);

impl Default for Callback {
    fn default() -> Self {
        Self(Requests::new(mc_api::callback_router))
    }
}

impl Handler for Callback {
    type Answer = Answer;

    async fn handle(&self, place: &Place, event: &str, _: &Invocation) -> Result<Done<Answer>, Error> {
        match Incoming::read(event)? {
            Some(Incoming::Request(request)) => self.0.answer(place, *request).await,
            Some(Incoming::Event(_)) | None => Err(Error::new(ErrorKind::Internal, "this is no request")),
        }
    }
}
