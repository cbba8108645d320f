//! TLS with a private authority: trusted only where `tls_ca` says so, over HTTP and SMTP.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_channels::{Ports, Setup, build};
use mc_core::Secret;
use mc_core::model::{Addresses, Content, Format, Kind, Limits, Recipient};
use mc_core::ports::{Http, HttpErrorKind, HttpRequest, Route, SharedChannel};
use mc_testkit::{MemoryTokens, MockClock, SeqRandom};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::suite::deliver;

pub const AUTHORITY: &str = include_str!("../fixtures/ca.pem");

pub fn server_config() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../fixtures/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../fixtures/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

/// Serves every connection with `serve` on a thread of its own; a client that goes away ends only its connection.
pub fn listen(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> u16 {
    let serve = Arc::new(serve);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    port
}

fn tls(stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(server_config()).unwrap(), stream)
}

pub fn https(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = tls(stream);
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !seen.ends_with(b"}") {
        let n = stream.read(&mut buffer)?;
        seen.extend_from_slice(&buffer[..n]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
    stream.flush()
}

pub fn smtps(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(tls(stream));
    stream.get_mut().write_all(b"220 ready\r\n")?;
    dialogue(&mut stream)
}

pub fn smtp_with_starttls(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"220 ready\r\n")?;
    let mut plain = BufReader::new(stream);
    dialogue(&mut plain)?;
    dialogue(&mut BufReader::new(tls(plain.into_inner())))
}

/// Says yes to everything; returns after `STARTTLS` or `QUIT`.
fn dialogue<S: Read + Write>(stream: &mut BufReader<S>) -> std::io::Result<()> {
    let mut in_mail = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let answer = match line.split(' ').next().unwrap_or_default() {
            "." if in_mail => "250 2.0.0 taken\r\n",
            _ if in_mail => continue,
            "EHLO" => "250-sandbox\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
            "AUTH" => "235 2.7.0 welcome\r\n",
            "DATA" => "354 go on\r\n",
            "STARTTLS" => "220 go on\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        in_mail = line == "DATA";
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
        if matches!(line, "STARTTLS" | "QUIT") {
            return Ok(());
        }
    }
}

fn http() -> Arc<GuardedHttp> {
    Arc::new(GuardedHttp::new(EgressPolicy::parse(None, true).unwrap(), Arc::new(MockClock::default())))
}

fn private() -> Route {
    Route { proxy: None, tls_ca: Some(AUTHORITY.to_owned()) }
}

#[tokio::test]
async fn https_trusts_the_authority_of_the_channel_only() {
    let port = listen(https);
    let http = http();
    for host in ["localhost", "127.0.0.1"] {
        let post =
            || HttpRequest::post_json(Secret::new(format!("https://{host}:{port}/x?token=secret")), "{}");
        let answer = http.call(&private(), post()).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
        let error = http.call(&Route::default(), post()).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::Tls, "{error}");
        assert!(error.text.contains("not trusted") && !error.text.contains("secret"), "{error}");
    }
}

/// A channel of mails on a way out of its own.
pub fn mail_channel(settings: Value, password: &str, route: Route, http: Arc<GuardedHttp>) -> SharedChannel {
    let secrets = BTreeMap::from([("password".to_owned(), Secret::new(password))]);
    let setup = Setup {
        project: "default",
        name: "mail",
        kind: Kind::EmailSmtp,
        settings: settings.as_object().unwrap(),
        secrets: &secrets,
        base_url: None,
        route,
        limits: Limits::default(),
    };
    let clock = Arc::new(MockClock::default());
    let tokens = Arc::new(MemoryTokens::new(clock.clone()));
    let random = Arc::new(SeqRandom::default());
    build(setup, &Ports { http, clock, random, tokens, mail: None }).ok().unwrap()
}

#[tokio::test]
async fn smtp_speaks_tls_and_starttls_and_never_without_when_asked() {
    let to = [Recipient {
        addresses: Addresses { email: Some("a@example.com".into()), ..Addresses::default() },
        ..Recipient::default()
    }];
    let content = Content::new("t", Format::Text, "b");
    for (security, port, code) in
        [("tls", listen(smtps), "tls"), ("starttls", listen(smtp_with_starttls), "connect")]
    {
        let settings =
            json!({"host": "localhost", "port": port, "security": security, "from": "a@example.com"});
        let trusted = mail_channel(settings.clone(), "hunter2", private(), http());
        deliver(&*trusted, &content, &to, &[]).await.unwrap_or_else(|error| panic!("{security}: {error:?}"));
        let steps = trusted.check().await;
        assert!(steps.iter().all(|step| step.ok), "{steps:?}");

        let stranger = mail_channel(settings, "hunter2", Route::default(), http());
        let error = deliver(&*stranger, &content, &to, &[]).await.unwrap_err();
        assert_eq!(error.code, code, "{security}: {error:?}");
        let steps = stranger.check().await;
        assert!(!steps[1].ok && steps[1].next_step.is_some(), "{steps:?}");
    }
}

/// A server without STARTTLS.
fn plain_only(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"220 ready\r\n")?;
    let mut line = String::new();
    let mut stream = BufReader::new(stream);
    while stream.read_line(&mut line)? > 0 {
        stream.get_mut().write_all(b"250 sandbox\r\n")?;
    }
    Ok(())
}

#[tokio::test]
async fn starttls_is_never_skipped() {
    let settings = json!({
        "host": "localhost", "port": listen(plain_only), "security": "starttls", "from": "a@example.com",
    });
    let channel = mail_channel(settings, "hunter2", Route::default(), http());
    let to = [Recipient {
        addresses: Addresses { email: Some("a@example.com".into()), ..Addresses::default() },
        ..Recipient::default()
    }];
    let error = deliver(&*channel, &Content::new("t", Format::Text, "b"), &to, &[]).await.unwrap_err();
    assert_eq!(error.code, "unsupported", "{error:?}");
}
