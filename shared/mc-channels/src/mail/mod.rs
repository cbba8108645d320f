//! What the kinds of e-mail share: a content as a mail, whatever carries it.

mod message;
mod pictures;
mod render;
mod sender;

pub(crate) use message::{Mail, build};
pub(crate) use render::{render, surely};
pub(crate) use sender::Sender;
