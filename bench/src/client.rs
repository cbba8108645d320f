//! The calling side of HTTP/1.1: one kept connection, one call at a time.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;
use crate::sign::{AccessKey, Signer};
use crate::wire::{Arrived, arrived};

/// A kept connection that signs what it sends.
pub struct Connection {
    stream: TcpStream,
    signer: Signer,
    host: String,
    out: Vec<u8>,
    into: Vec<u8>,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'c> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'c [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr, access_key: AccessKey) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            signer: Signer::new(access_key),
            host: address.to_string(),
            out: Vec::with_capacity(4 << 10),
            into: Vec::with_capacity(16 << 10),
        })
    }

    /// Makes a call and waits for its answer.
    pub async fn call(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer<'_>> {
        self.write_request(method, path, body)?;
        self.stream.write_all(&self.out).await?;
        self.into.clear();
        loop {
            if self.stream.read_buf(&mut self.into).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection in the middle of a call",
                ));
            }
            match arrived(&self.into) {
                Arrived::Part => {}
                Arrived::Whole(frame) => {
                    let status = status(&self.into).ok_or_else(|| unreadable("its status"))?;
                    return Ok(Answer { status, body: &self.into[frame.body..frame.end] });
                }
                Arrived::Unreadable => return Err(unreadable("the length of its body")),
            }
        }
    }

    fn write_request(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<()> {
        self.out.clear();
        write!(self.out, "{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host)?;
        self.signer.write_headers(&mut self.out, method, path, &self.host, body);
        write!(self.out, "content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len())?;
        self.out.extend_from_slice(body);
        Ok(())
    }
}

impl Answer<'_> {
    /// What was refused and why, short enough for a line.
    pub fn excerpt(&self) -> String {
        let text: String = String::from_utf8_lossy(self.body).chars().take(300).collect();
        format!("HTTP {}: {text}", self.status)
    }

    /// The body, if the status is one of success.
    pub fn success(&self, what: &str) -> Result<&[u8]> {
        match self.status {
            200..=299 => Ok(self.body),
            _ => Err(format!("{what} was refused with {}", self.excerpt()).into()),
        }
    }
}

fn status(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an answer came of which {what} cannot be read"))
}
