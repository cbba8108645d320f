//! Both handshakes, mostly with a proxy that has said everything before it is asked.

use std::sync::Arc;

use mc_testkit::MockClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::http::{EgressPolicy, GuardedHttp, tls_config};

const GREETING: &str = "220 ready\r\n";

/// How a handshake ended.
struct Ended {
    /// Why there is no way, or nothing.
    reason: String,
    /// What the proxy was asked.
    asked: Vec<u8>,
    /// What can be read on the way.
    rest: String,
}

async fn ask_for(target: &str, proxy: &str, answers: &[&[u8]]) -> Ended {
    let (mut ours, mut theirs) = duplex(32 * 1024);
    theirs.write_all(&answers.concat()).await.unwrap();
    theirs.shutdown().await.unwrap();
    let proxy = Proxy::parse(proxy).ok().unwrap();
    let result = ask(&mut ours, &proxy, &Host::parse(target).unwrap(), 587).await;
    let reason = match result {
        Ok(()) => String::new(),
        Err(Denied::Because(reason)) => reason.into_owned(),
        Err(Denied::Lost(error)) => describe(&error).to_owned(),
    };
    let (mut asked, mut rest) = (Vec::new(), String::new());
    ours.shutdown().await.unwrap();
    ours.read_to_string(&mut rest).await.unwrap();
    theirs.read_to_end(&mut asked).await.unwrap();
    Ended { reason, asked, rest }
}

#[tokio::test]
async fn a_greeting_in_one_piece_with_the_answer_is_not_lost() {
    let greeting = GREETING.as_bytes();
    let no_credentials: &[u8] = &[5, 0];
    let ways: [(&str, &[&[u8]]); 5] = [
        ("http://p:1", &[b"HTTP/1.1 200 Connected\r\nvia: p\r\n\r\n", greeting]),
        ("http://p:1", &[b"HTTP/1.0 204 \xfcber\r\n\r\n", greeting]),
        ("socks5://p:1", &[no_credentials, &[5, 0, 0, 1, 192, 0, 2, 1, 0, 9], greeting]),
        ("socks5h://p:1", &[no_credentials, &[5, 0, 0, 3, 1, b'p', 0, 9], greeting]),
        ("socks5h://p:1", &[no_credentials, &[5, 0, 0, 4], &[0; 18], greeting]),
    ];
    for (proxy, answers) in ways {
        let ended = ask_for("mail.example.com", proxy, answers).await;
        assert_eq!((ended.reason.as_str(), ended.rest.as_str()), ("", GREETING), "{proxy}");
    }
}

#[tokio::test]
async fn connect_names_the_target_and_the_credentials() {
    let opened: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\n\r\n"];
    let ended = ask_for("mail.example.com", "http://p:1", opened).await;
    assert_eq!(
        String::from_utf8(ended.asked).unwrap(),
        "CONNECT mail.example.com:587 HTTP/1.1\r\nHost: mail.example.com:587\r\n\r\n"
    );
    let ended = ask_for("[2001:db8::1]", "http://egress:open%20sesame@p:1", opened).await;
    assert_eq!(
        String::from_utf8(ended.asked).unwrap(),
        "CONNECT [2001:db8::1]:587 HTTP/1.1\r\nHost: [2001:db8::1]:587\r\n\
         Proxy-Authorization: Basic ZWdyZXNzOm9wZW4gc2VzYW1l\r\n\r\n"
    );
}

#[tokio::test]
async fn socks_shows_credentials_only_to_a_proxy_that_asks_for_them() {
    let opened: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let proxy = "socks5h://egress:open%20sesame@p:1";
    let ended = ask_for("mail.example.com", proxy, &[&[5, 0], opened]).await;
    assert_eq!(ended.asked, b"\x05\x02\x00\x02\x05\x01\x00\x03\x10mail.example.com\x02\x4b");
    let ended = ask_for("192.0.2.1", proxy, &[&[5, 2, 1, 0], opened]).await;
    assert_eq!(
        ended.asked,
        b"\x05\x02\x00\x02\x01\x06egress\x0bopen sesame\x05\x01\x00\x01\xc0\x00\x02\x01\x02\x4b"
    );
    let ended = ask_for("[::1]", "socks5h://p:1", &[&[5, 0], opened]).await;
    let one = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02\x4b";
    assert_eq!(ended.asked, [&b"\x05\x01\x00\x05\x01\x00\x04"[..], one].concat());
}

#[tokio::test]
async fn a_refusal_says_why_and_shows_no_credentials() {
    let (http, socks) = ("http://egress:hunter2@p:1", "socks5h://egress:hunter2@p:1");
    let too_long = [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 9000]].concat();
    let too_long_credentials = format!("socks5h://egress:{}@p:1", "hunter2".repeat(40));
    let cases: [(&str, &[u8], &str); 18] = [
        (http, b"HTTP/1.1 407 No\r\n\r\n", "does not accept the credentials in its URL (HTTP 407)"),
        ("http://p:1", b"HTTP/1.1 407 No\r\n\r\n", "wants credentials; put them into its URL (HTTP 407)"),
        (http, b"HTTP/1.1 403 hunter2\r\n\r\n", "refuses the way to mail.example.com:587 (HTTP 403)"),
        (http, b"HTTP/1.1 502 Bad\r\n\r\n", "refuses the way to mail.example.com:587 (HTTP 502)"),
        (http, b"HTTP/1.1 2000 OK\r\n\r\n", "does not answer like an HTTP proxy"),
        (http, b"220 mail.example.com\r\n\r\n", "does not answer like an HTTP proxy"),
        (http, &too_long, "does not answer like an HTTP proxy"),
        (http, b"HTTP/1.1 200", "closed by the other side"),
        (socks, &[5, 2, 1, 1], "does not accept the credentials in its URL"),
        (socks, &[5, 0xff], "takes no name and password"),
        ("socks5h://p:1", &[5, 0xff], "wants credentials; put them into its URL"),
        ("socks5h://p:1", &[5, 2], "does not answer like a SOCKS5 proxy"),
        (&too_long_credentials, &[5, 2], "cannot be given credentials of more than 255 bytes"),
        (socks, b"HTTP/1.1 400 Bad\r\n\r\n", "does not answer like a SOCKS5 proxy"),
        (socks, &[5, 0, 5, 0, 0, 9], "does not answer like a SOCKS5 proxy"),
        (socks, &[5, 0, 5, 2, 0, 1], "refuses the way to mail.example.com:587: its rules do not allow it"),
        (
            socks,
            &[5, 0, 5, 5, 0, 1],
            "refuses the way to mail.example.com:587: the host refused the connection",
        ),
        (socks, &[5, 0, 5, 0, 0], "closed by the other side"),
    ];
    for (proxy, answer, expected) in cases {
        let ended = ask_for("mail.example.com", proxy, &[answer]).await;
        assert_eq!(ended.reason, expected, "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_given_up() {
    let http = GuardedHttp::new(EgressPolicy::parse(None, true).unwrap(), Arc::new(MockClock::default()));
    let tls = TlsConnector::from(Arc::new(tls_config(None).unwrap()));
    // Never accepted from, it still completes TCP.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed_port = closed.local_addr().unwrap().port();
    for scheme in ["http", "https", "socks5h"] {
        for (port, expected) in
            [(silent_port, "did not open the way within 0.05 s"), (closed_port, ": refused")]
        {
            let proxy = Proxy::parse(&format!("{scheme}://egress:hunter2@127.0.0.1:{port}")).ok().unwrap();
            let limit = Duration::from_millis(50);
            let error = open(&proxy, &tls, &http, ("mail.test", 25), limit).await.unwrap_err();
            assert_eq!(error.kind, HttpErrorKind::Proxy, "{scheme}: {error}");
            assert!(error.text.contains(&format!("the proxy 127.0.0.1:{port}")), "{scheme}: {error}");
            assert!(error.text.ends_with(expected), "{scheme}: {error}");
        }
    }
}
