//! Receiving the mail itself.

use std::io;
use std::time::Duration;

use tokio::io::AsyncBufRead;
use tokio::time::timeout;

use super::line::{self, Line};
use super::reply::Reply;

/// RFC 5321 §4.5.3.1.6, including CRLF and not counting a stuffed dot.
const LINE_BYTES: usize = 1_000;

/// What came after `DATA`.
pub(super) enum Received {
    /// The whole mail, dots unstuffed.
    Mail(Vec<u8>),
    /// The mail came to its end and cannot be taken.
    Refused(Reply),
    /// Nothing came for too long.
    TimedOut,
    /// The connection ended before the final dot, so there is no mail.
    Closed,
}

/// Reads up to the final dot. A mail that cannot be taken is still read to its end, because the answer
/// belongs after the dot.
pub(super) async fn receive(
    reader: &mut (impl AsyncBufRead + Unpin),
    max_size: usize,
    patience: Duration,
) -> io::Result<Received> {
    let mut mail = Vec::new();
    let mut refusal = None;
    loop {
        // One byte more than a line, for the stuffed dot.
        let Ok(line) = timeout(patience, line::read(reader, LINE_BYTES + 1)).await else {
            return Ok(Received::TimedOut);
        };
        match line? {
            Line::Closed => return Ok(Received::Closed),
            Line::Text(text) if text == b"." => {
                return Ok(refusal.map_or(Received::Mail(mail), Received::Refused));
            }
            Line::Text(text) => {
                let text = text.strip_prefix(b".").unwrap_or(&text);
                if text.len() + 2 > LINE_BYTES {
                    refusal.get_or_insert_with(too_long);
                } else if mail.len() + text.len() + 2 > max_size {
                    refusal.get_or_insert_with(too_big);
                } else if refusal.is_none() {
                    mail.extend_from_slice(text);
                    mail.extend_from_slice(b"\r\n");
                }
            }
            Line::TooLong => drop(refusal.get_or_insert_with(too_long)),
            Line::Malformed => drop(refusal.get_or_insert_with(bare_ending)),
        }
    }
}

fn too_long() -> Reply {
    Reply::new(500, "5.5.2 line too long")
}

fn too_big() -> Reply {
    Reply::new(552, "5.3.4 message too big for this system")
}

/// RFC 5321 §2.3.8: lines end with CRLF and nothing else, and accepting less invites smuggled mails.
fn bare_ending() -> Reply {
    Reply::new(554, "5.6.0 bare CR or LF in the message")
}
