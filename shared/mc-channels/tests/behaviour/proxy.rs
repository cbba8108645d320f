//! Fixed egress: HTTP CONNECT and SOCKS5 proxies that ask for credentials, in front of a server with TLS.
//!
//! Nothing listens at the port that is asked for: only the proxies know where the server is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_core::Secret;
use mc_core::ports::{Http, HttpErrorKind, HttpRequest, Route};
use mc_testkit::MockClock;

use crate::tls::{AUTHORITY, https, listen};

/// What a proxy saw.
#[derive(Clone, Default)]
struct Seen {
    tunnels: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

/// Passes bytes both ways until one side ends.
fn tunnel(client: TcpStream, target: u16) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", target))?;
    let (mut up_from, mut up_to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let copied = std::io::copy(&mut up_from, &mut up_to);
        up_to.shutdown(std::net::Shutdown::Write).and(copied)
    });
    let (mut from, mut to) = (server, client);
    std::io::copy(&mut from, &mut to)?;
    to.shutdown(std::net::Shutdown::Both)
}

/// RFC 9110 §9.3.6, with Basic credentials `egress:open sesame`.
fn connect_proxy(target: u16, seen: Seen) -> u16 {
    listen(move |stream| {
        let mut reader = BufReader::new(stream);
        let (mut first, mut allowed, mut line) = (String::new(), false, String::new());
        reader.read_line(&mut first)?;
        while reader.read_line(&mut line)? > 2 {
            let wanted = "proxy-authorization: basic zwdyzxnzom9wzw4gc2vzyw1l";
            allowed |= line.trim_end().eq_ignore_ascii_case(wanted);
            line.clear();
        }
        let mut stream = reader.into_inner();
        if !allowed || !first.starts_with("CONNECT localhost:443 ") {
            seen.refused.fetch_add(1, Ordering::SeqCst);
            return stream.write_all(
                b"HTTP/1.1 407 Who are you\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n",
            );
        }
        seen.tunnels.fetch_add(1, Ordering::SeqCst);
        stream.write_all(b"HTTP/1.1 200 Here you are\r\n\r\n")?;
        tunnel(stream, target)
    })
}

/// RFC 1928 with the user and password of RFC 1929. Names are looked up, and checked, before it is asked.
fn socks_proxy(target: u16, seen: Seen) -> u16 {
    listen(move |stream| {
        let take = |n: usize| {
            let mut bytes = vec![0; n];
            (&stream).read_exact(&mut bytes).map(|()| bytes)
        };
        let methods = usize::from(take(2)?[1]);
        let offered = take(methods)?;
        assert!(offered.contains(&2), "no credentials are offered");
        (&stream).write_all(&[5, 2])?;
        let user = usize::from(take(2)?[1]);
        let user = take(user)?;
        let password = usize::from(take(1)?[0]);
        let password = take(password)?;
        let allowed = user == b"egress" && password == b"open sesame";
        // Counted before it is said: who hears it looks at the count at once.
        if !allowed {
            seen.refused.fetch_add(1, Ordering::SeqCst);
        }
        (&stream).write_all(&[1, u8::from(!allowed)])?;
        if !allowed {
            return Ok(());
        }
        assert_eq!(take(10)?, [5, 1, 0, 1, 127, 0, 0, 1, 1, 187], "to 127.0.0.1:443");
        seen.tunnels.fetch_add(1, Ordering::SeqCst);
        (&stream).write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0])?;
        tunnel(stream, target)
    })
}

fn through(proxy: String) -> Route {
    Route { proxy: Some(Secret::new(proxy)), tls_ca: Some(AUTHORITY.to_owned()) }
}

#[tokio::test]
async fn proxies_with_credentials_are_the_only_way_out() {
    let target = listen(https);
    let (connects, socks) = (Seen::default(), Seen::default());
    let ways = [
        ("http", connect_proxy(target, connects.clone()), connects),
        ("socks5", socks_proxy(target, socks.clone()), socks),
    ];
    let http = GuardedHttp::new(EgressPolicy::parse(None, true).unwrap(), Arc::new(MockClock::default()));
    let post = || HttpRequest::post_json(Secret::new("https://localhost/x?token=secret"), "{}");
    for (scheme, port, seen) in ways {
        let route = through(format!("{scheme}://egress:open%20sesame@127.0.0.1:{port}"));
        let answer = http.call(&route, post()).await.unwrap_or_else(|error| panic!("{scheme}: {error}"));
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]), "{scheme}");
        assert_eq!(seen.tunnels.load(Ordering::SeqCst), 1, "{scheme}");

        let route = through(format!("{scheme}://egress:wrong@127.0.0.1:{port}"));
        let error = http.call(&route, post()).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::NotConnected, "nothing has left: {scheme}: {error}");
        assert!(!error.text.contains("wrong") && !error.text.contains("secret"), "{scheme}: {error}");
        assert_eq!((seen.tunnels.load(Ordering::SeqCst), seen.refused.load(Ordering::SeqCst)), (1, 1));
    }
}
