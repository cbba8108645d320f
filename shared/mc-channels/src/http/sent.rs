//! Whether a request may have left, which decides between "again" and "nobody knows".

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Set once a connection has taken the request's body, from when on the request may be on its way.
#[derive(Default)]
pub(super) struct Sent(AtomicBool);

impl Sent {
    pub(super) fn maybe(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn mark(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A body in one piece that tells when it was taken.
///
/// hyper takes a body only after the connection is up and the head is written, before anything is flushed.
pub(super) struct WatchedBody {
    bytes: Bytes,
    sent: Arc<Sent>,
}

impl WatchedBody {
    pub(super) fn new(bytes: Bytes, sent: &Arc<Sent>) -> Self {
        Self { bytes, sent: Arc::clone(sent) }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.mark();
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready(if bytes.is_empty() { None } else { Some(Ok(Frame::data(bytes))) })
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
