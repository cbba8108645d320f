//! `console`: the management API.

use mc_core::{Error, ErrorKind};

use super::requests::Requests;
use crate::event::Incoming;
use crate::http::Answer;
use crate::place::Place;
use crate::runtime::{Done, Handler, Invocation};

/// The handler.
pub(super) struct Console(Requests);

impl Default for Console {
    fn default() -> Self {
        Self(Requests::new(mc_api::router))
    }
}

impl Handler for Console {
    type Answer = Answer;

    async fn handle(&self, place: &Place, event: &str, _: &Invocation) -> Result<Done<Answer>, Error> {
        match Incoming::read(event)? {
            Some(Incoming::Request(request)) => self.0.answer(place, *request).await,
            Some(Incoming::Event(_)) | None => Err(Error::new(ErrorKind::Internal, "this is no request")),
        }
    }
}
