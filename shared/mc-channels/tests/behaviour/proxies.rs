//! Proxies that ask for credentials, `egress` and `open sesame`. Whatever they are asked for, they lead to one target.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::tls::server_config;

/// A proxy and what it saw.
#[derive(Clone)]
pub struct Proxy {
    scheme: &'static str,
    target: u16,
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    refused: Arc<AtomicUsize>,
}

impl Proxy {
    /// A proxy of a scheme in front of a port of this machine.
    pub async fn start(scheme: &'static str, target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { scheme, target, port, asked: Arc::default(), refused: Arc::default() };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = serving.clone();
                // A client that goes away ends only its connection.
                tokio::spawn(async move { proxy.serve(stream).await });
            }
        });
        proxy
    }

    /// Its address with a password, written as in an URL.
    pub fn url(&self, password: &str) -> String {
        format!("{}://egress:{password}@127.0.0.1:{}", self.scheme, self.port)
    }

    /// Its address with the right password.
    pub fn right_url(&self) -> String {
        self.url("open%20sesame")
    }

    /// What it has opened ways to.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// How often the credentials were wrong.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        match self.scheme {
            "http" => self.connect(stream).await,
            "https" => {
                let stream = TlsAcceptor::from(server_config()).accept(stream).await?;
                self.connect(stream).await
            }
            _ => self.socks(stream).await,
        }
    }

    /// RFC 9110 §9.3.6.
    async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let (mut first, mut allowed, mut line) = (String::new(), false, String::new());
        stream.read_line(&mut first).await?;
        while stream.read_line(&mut line).await? > 2 {
            let wanted = "proxy-authorization: basic zwdyzxnzom9wzw4gc2vzyw1l";
            allowed |= line.trim_end().eq_ignore_ascii_case(wanted);
            line.clear();
        }
        let asked = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
        let Some(asked) = asked.filter(|_| allowed) else {
            self.refused.fetch_add(1, Ordering::SeqCst);
            let refusal =
                b"HTTP/1.1 407 Who are you\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(refusal).await?;
            return stream.shutdown().await;
        };
        self.asked.lock().unwrap().push(asked.to_owned());
        stream.write_all(b"HTTP/1.1 200 Here you are\r\n\r\n").await?;
        self.lead(stream).await
    }

    /// RFC 1928 with the user and password of RFC 1929.
    async fn socks(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let methods = take(&mut stream, 2).await?[1];
        let offered = take(&mut stream, methods).await?;
        assert!(offered.contains(&2), "no credentials are offered");
        stream.write_all(&[5, 2]).await?;
        let user = take(&mut stream, 2).await?[1];
        let user = take(&mut stream, user).await?;
        let password = stream.read_u8().await?;
        let password = take(&mut stream, password).await?;
        let allowed = user == b"egress" && password == b"open sesame";
        // Counted before it is said: who hears it looks at the count at once.
        if !allowed {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        stream.write_all(&[1, u8::from(!allowed)]).await?;
        if !allowed {
            return Ok(());
        }
        let request = take(&mut stream, 4).await?;
        assert_eq!(request[..3], [5, 1, 0]);
        let host = if request[3] == 3 {
            let length = stream.read_u8().await?;
            String::from_utf8(take(&mut stream, length).await?).unwrap()
        } else {
            assert_eq!(request[3], 1, "neither a name nor an IPv4 address");
            Ipv4Addr::from(stream.read_u32().await?).to_string()
        };
        let port = stream.read_u16().await?;
        self.asked.lock().unwrap().push(format!("{host}:{port}"));
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
        self.lead(stream).await
    }

    async fn lead<S: AsyncRead + AsyncWrite + Unpin>(&self, mut client: S) -> std::io::Result<()> {
        let mut server = TcpStream::connect(("127.0.0.1", self.target)).await?;
        copy_bidirectional(&mut client, &mut server).await.map(|_| ())
    }
}

async fn take(stream: &mut TcpStream, length: u8) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
