//! Reading lines of limited length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What came up to the next line feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its CRLF.
    Text(Vec<u8>),
    /// A line that ended with a bare line feed or contained a bare carriage return.
    Malformed,
    /// A line longer than allowed; it has been read to its end.
    TooLong,
    /// The other side is gone.
    Closed,
}

/// Reads a line of at most `limit` bytes including its CRLF. A longer one is read over without being kept.
pub(super) async fn read(reader: &mut (impl AsyncBufRead + Unpin), limit: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    loop {
        let chunk = reader.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(Line::Closed);
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(chunk.len(), |at| at + 1);
        if line.len() <= limit {
            line.extend_from_slice(&chunk[..used]);
        }
        reader.consume(used);
        if end.is_some() {
            return Ok(finish(line, limit));
        }
    }
}

fn finish(line: Vec<u8>, limit: usize) -> Line {
    if line.len() > limit {
        return Line::TooLong;
    }
    match line.strip_suffix(b"\r\n") {
        Some(text) if !text.contains(&b'\r') => Line::Text(text.to_vec()),
        Some(_) | None => Line::Malformed,
    }
}
