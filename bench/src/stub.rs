//! The stub platform: answers every push with `{"code":0}`, at once or later, and remembers which messages came.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{Arrived, Frame, arrived, find};

/// The letters and digits of a message id behind its prefix: a ULID as text.
pub type IdText = [u8; 26];

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{\"code\":0}";

/// A running stub platform, on a thread of its own until the program ends.
#[derive(Clone)]
pub struct Stub {
    address: SocketAddr,
    tally: Arc<Tally>,
}

/// What came so far.
struct Tally {
    ids: Mutex<HashSet<IdText>>,
    distinct: AtomicU64,
    duplicates: AtomicU64,
    /// Pushes in which no message id was found.
    nameless: AtomicU64,
    /// When the last distinct message came, in microseconds since `origin`.
    last_micros: AtomicU64,
    origin: Instant,
    delay_micros: AtomicU64,
}

impl Stub {
    /// Starts it on a free port of this machine.
    pub fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally {
            ids: Mutex::default(),
            distinct: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            nameless: AtomicU64::new(0),
            last_micros: AtomicU64::new(0),
            origin: Instant::now(),
            delay_micros: AtomicU64::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = tally.clone();
        thread::Builder::new().name("stub-platform".into()).spawn(move || {
            if let Err(error) = runtime.block_on(accept(listener, shared)) {
                eprintln!("mc-bench: the stub platform ended: {error}");
            }
        })?;
        Ok(Self { address, tally })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets everything that came, and answers after `delay` from now on.
    pub fn reset(&self, delay: Duration) {
        *self.tally.ids() = HashSet::new();
        for count in [&self.tally.distinct, &self.tally.duplicates, &self.tally.nameless] {
            count.store(0, Relaxed);
        }
        self.tally.delay_micros.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many different messages came.
    pub fn distinct(&self) -> u64 {
        self.tally.distinct.load(Relaxed)
    }

    /// How many pushes repeated a message that had come before.
    pub fn duplicates(&self) -> u64 {
        self.tally.duplicates.load(Relaxed)
    }

    /// How many pushes had no message id.
    pub fn nameless(&self) -> u64 {
        self.tally.nameless.load(Relaxed)
    }

    /// When the last different message came.
    pub fn last_arrival(&self) -> Instant {
        self.tally.origin + Duration::from_micros(self.tally.last_micros.load(Relaxed))
    }

    /// The ids of some of the messages that came.
    pub fn some_ids(&self, count: usize) -> Vec<String> {
        let ids = self.tally.ids();
        let text = |id: &IdText| format!("msg_{}", String::from_utf8_lossy(id));
        // Hashing has shuffled them, so that neither the oldest nor the newest are preferred.
        ids.iter().take(count).map(text).collect()
    }
}

impl Tally {
    fn ids(&self) -> MutexGuard<'_, HashSet<IdText>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_micros.load(Relaxed))
    }

    fn count(&self, body: &[u8]) {
        let Some(id) = message_id(body) else {
            self.nameless.fetch_add(1, Relaxed);
            return;
        };
        if self.ids().insert(id) {
            let now = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.last_micros.store(now, Relaxed);
            self.distinct.fetch_add(1, Relaxed);
        } else {
            self.duplicates.fetch_add(1, Relaxed);
        }
    }
}

/// The id of the message that a push belongs to: the default body of a webhook names it.
fn message_id(body: &[u8]) -> Option<IdText> {
    let prefix = b"\"msg_";
    let from = find(body, prefix)? + prefix.len();
    body.get(from..from + 26)?.try_into().ok()
}

async fn accept(listener: std::net::TcpListener, tally: Arc<Tally>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let tally = tally.clone();
        // A connection ends when the server under test closes it or is killed: neither is of interest here.
        tokio::spawn(async move { converse(stream, &tally).await });
    }
}

/// Answers one push after the other until the other side closes.
async fn converse(mut stream: TcpStream, tally: &Tally) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(8 << 10);
    loop {
        let Some(frame) = next(&mut stream, &mut buffer).await? else { return Ok(()) };
        tally.count(&buffer[frame.body..frame.end]);
        buffer.drain(..frame.end);
        let delay = tally.delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        stream.write_all(ANSWER).await?;
    }
}

async fn next(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Frame>> {
    loop {
        match arrived(buffer) {
            Arrived::Whole(frame) => return Ok(Some(frame)),
            Arrived::Unreadable => return Err(io::ErrorKind::InvalidData.into()),
            Arrived::Part => {}
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01HF7YAT31000000000000001A";

    fn push(id: &str) -> Vec<u8> {
        let body = format!("{{\"data\":{{}},\"message\":{{\"id\":\"msg_{id}\"}}}}");
        let head = "POST /im HTTP/1.1\r\nHost: x\r\nContent-Length: ";
        format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
    }

    async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
        stream.write_all(request).await.unwrap();
        let mut answer = vec![0; ANSWER.len()];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    }

    #[test]
    fn the_id_is_found_in_the_body() {
        let body = format!("{{\"data\":{{\"x\":\"amsg_\"}},\"message\":{{\"id\":\"msg_{ID}\"}}}}");
        assert_eq!(message_id(body.as_bytes()).unwrap(), ID.as_bytes());
        assert_eq!(message_id(b"{\"id\":\"msg_01HF\"}"), None);
        assert_eq!(message_id(b"{}"), None);
    }

    #[tokio::test]
    async fn messages_are_counted_once_and_repetitions_apart() {
        let stub = Stub::start().unwrap();
        let before = Instant::now();
        let mut stream = TcpStream::connect(stub.address()).await.unwrap();
        let other = ID.replace('A', "B");
        for id in [ID, other.as_str(), ID] {
            let answer = exchange(&mut stream, &push(id)).await;
            assert!(answer.ends_with(b"{\"code\":0}"));
        }
        exchange(&mut stream, b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}").await;
        assert_eq!((stub.distinct(), stub.duplicates(), stub.nameless()), (2, 1, 1));
        assert!(stub.last_arrival() >= before);
        let mut ids = stub.some_ids(5);
        ids.sort_unstable();
        assert_eq!(ids, [format!("msg_{ID}"), format!("msg_{other}")]);
        stub.reset(Duration::ZERO);
        assert_eq!((stub.distinct(), stub.duplicates(), stub.nameless()), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_slow_platform_blocks_nobody_else() {
        let stub = Stub::start().unwrap();
        stub.reset(Duration::from_millis(50));
        let begun = Instant::now();
        let calls: Vec<_> = (0..20)
            .map(|number| {
                let address = stub.address();
                tokio::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    exchange(&mut stream, &push(&format!("{number:026}"))).await
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(stub.distinct(), 20);
        assert!(begun.elapsed() >= Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_millis(20 * 50), "one after the other");
    }
}
