//! The guarded client against a server that says exactly what a test wants.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mc_core::Secret;
use mc_testkit::MockClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers every connection with the scripted answers in turn and keeps what was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// An empty answer closes the connection without one, and one that says so after it; `hang` never answers.
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&asked), Arc::clone(&connections));
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                tokio::spawn(async move {
                    while let Some(request) = read_request(&mut stream).await {
                        log.lock().unwrap().push(request);
                        let answer = answers.lock().unwrap().next();
                        match answer.as_deref() {
                            None | Some("") => return,
                            Some("hang") => std::future::pending::<()>().await,
                            Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                        }
                        if answer.is_some_and(|answer| answer.contains("connection: close")) {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, asked, connections }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        text.extend_from_slice(&buffer[..n]);
        let shown = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = shown.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |n| n.parse().unwrap()) {
                return Some(shown);
            }
        }
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

/// Names that resolve as the test says, differently each time if it says so.
struct Names(Mutex<Vec<Vec<&'static str>>>);

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if name == "unknown.test" {
            return Err(io::Error::other("no such name"));
        }
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Ok(answer.into_iter().map(|ip| ip.parse().unwrap()).collect())
    }
}

fn client(allow: &str, names: Vec<Vec<&'static str>>) -> GuardedHttp {
    let policy = EgressPolicy::parse(Some(allow), false).unwrap();
    GuardedHttp::with_lookup(policy, Arc::new(MockClock::default()), Arc::new(Names(Mutex::new(names))))
}

fn local() -> GuardedHttp {
    client("127.0.0.0/8", vec![vec!["127.0.0.1"]])
}

fn post(url: impl Into<String>) -> HttpRequest {
    HttpRequest::post_json(Secret::new(url), r#"{"a":1}"#)
}

async fn call(http: &GuardedHttp, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    http.call(&Route::default(), request).await
}

async fn failure(http: &GuardedHttp, request: HttpRequest) -> HttpErrorKind {
    let error = call(http, request).await.unwrap_err();
    for hidden in ["secret", "token", "/path"] {
        assert!(!format!("{error} {error:?}").contains(hidden), "{error:?}");
    }
    error.kind
}

#[tokio::test]
async fn posts_and_keeps_the_connection() {
    let server = Server::start(vec![ok("{\"n\":1}"), ok("{\"n\":2}")]).await;
    let http = local();
    for n in 1..=2 {
        let answer = call(&http, post(server.url("/path?token=secret"))).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, format!("{{\"n\":{n}}}").as_bytes()));
        assert_eq!(answer.content_type.as_deref(), Some("application/json"));
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
    let asked = &server.asked()[0];
    assert!(asked.starts_with("POST /path?token=secret HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("content-length: 7\r\n") && asked.ends_with("{\"a\":1}"), "{asked}");
    assert!(!asked.contains("accept-encoding") && !asked.contains("cookie"), "{asked}");
}

#[tokio::test]
async fn literal_addresses_are_refused_in_every_spelling() {
    let http = client("", vec![vec!["127.0.0.1"]]);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "0",
        "１２７.0.0.1",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "localhost",
        "any.test",
        "ANY.TEST.",
    ] {
        let url = format!("http://{host}:1/path?token=secret");
        assert_eq!(failure(&http, post(url.clone())).await, HttpErrorKind::Forbidden, "{host}");
        assert_eq!(http.admit(&url).await.unwrap_err().kind, HttpErrorKind::Forbidden, "{host}");
    }
}

#[tokio::test]
async fn only_http_urls_without_credentials() {
    let http = local();
    for url in
        ["ftp://127.0.0.1/", "file:///etc/passwd", "not a url", "http://", "http://user:secret@127.0.0.1/"]
    {
        assert_eq!(failure(&http, post(url)).await, HttpErrorKind::BadUrl, "{url}");
    }
    let request =
        HttpRequest { headers: vec![("x".into(), "a\r\nb: c".into())], ..post("http://127.0.0.1/") };
    assert_eq!(failure(&http, request).await, HttpErrorKind::BadUrl);
}

#[tokio::test]
async fn a_name_uses_only_its_allowed_addresses() {
    let server = Server::start(vec![ok("{}")]).await;
    let http = client("127.0.0.1", vec![vec!["10.0.0.1", "127.0.0.1", "169.254.169.254"]]);
    assert_eq!(call(&http, post(format!("http://im.test:{}/", server.port))).await.unwrap().status, 200);
    let found = http.resolve("im.test", 25).await.unwrap();
    assert_eq!(found, ["127.0.0.1:25".parse().unwrap()]);
    assert_eq!(http.resolve("2852039166", 25).await.unwrap_err().kind, HttpErrorKind::Forbidden);
}

#[tokio::test]
async fn a_name_that_turns_private_is_refused_when_it_is_used() {
    let http = client("", vec![vec!["1.1.1.1"], vec!["127.0.0.1"]]);
    http.admit("http://rebind.test/").await.unwrap();
    assert_eq!(failure(&http, post("http://rebind.test/path?token=secret")).await, HttpErrorKind::Forbidden);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_admitted_and_fails_when_used() {
    let http = local();
    http.admit("https://unknown.test/path").await.unwrap();
    assert_eq!(failure(&http, post("http://unknown.test/path")).await, HttpErrorKind::NotResolved);
    assert_eq!(http.resolve("unknown.test", 1).await.unwrap_err().kind, HttpErrorKind::NotResolved);
}

#[tokio::test]
async fn tells_what_may_have_left() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let http = local();
    let kind = failure(&http, post(format!("http://127.0.0.1:{closed}/path?token=secret"))).await;
    assert_eq!(kind, HttpErrorKind::NotConnected);

    let cut = Server::start(vec![String::new()]).await;
    assert_eq!(failure(&http, post(cut.url("/path?token=secret"))).await, HttpErrorKind::Unknown);

    let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_owned();
    let cut = Server::start(vec![short, String::new()]).await;
    let request = HttpRequest { timeout: Duration::from_millis(200), ..post(cut.url("/path?token=secret")) };
    assert_eq!(failure(&http, request).await, HttpErrorKind::Unknown);

    let slow = Server::start(vec!["hang".into()]).await;
    let request = HttpRequest { timeout: Duration::from_millis(50), ..post(slow.url("/path?token=secret")) };
    assert_eq!(failure(&http, request).await, HttpErrorKind::Unknown);

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(ok("{}").as_bytes()).await.unwrap();
    });
    let kind = failure(&http, post(format!("https://127.0.0.1:{port}/path?token=secret"))).await;
    assert_eq!(kind, HttpErrorKind::Tls);
}

#[tokio::test]
async fn a_connection_that_never_comes_up_took_nothing() {
    // A listener whose backlog is never accepted from still completes TCP, so the wait is put into the lookup.
    struct Never;
    #[async_trait]
    impl Lookup for Never {
        async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }
    let http =
        GuardedHttp::with_lookup(EgressPolicy::default(), Arc::new(MockClock::default()), Arc::new(Never));
    let request = HttpRequest { timeout: Duration::from_millis(50), ..post("http://slow.test/path") };
    assert_eq!(failure(&http, request).await, HttpErrorKind::NotConnected);
}

#[tokio::test]
async fn large_answers_stop_early() {
    let declared = Server::start(vec![ok(&"x".repeat(2000))]).await;
    let streamed =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n400\r\n".to_owned() + &"x".repeat(1024);
    let streamed = Server::start(vec![streamed]).await;
    for server in [declared, streamed] {
        let request = HttpRequest { max_answer: 1000, ..post(server.url("/path?token=secret")) };
        assert_eq!(failure(&local(), request).await, HttpErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn where_the_body_is_optional_the_status_is_an_answer() {
    let head = |line: &str| format!("HTTP/1.1 {line}\r\ncontent-length: 9\r\n");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n400\r\n".to_owned();
    for (status, answer) in [
        (200, ok(&"x".repeat(2000))),
        (200, chunked + &"x".repeat(1024)),
        (201, head("201 Created") + "connection: close\r\n\r\nabc"),
        (503, head("503 Busy") + "\r\nabc"),
    ] {
        let server = Server::start(vec![answer]).await;
        let request = HttpRequest { max_answer: 1000, body_optional: true, ..post(server.url("/path")) };
        let request = HttpRequest { timeout: Duration::from_secs(1), ..request };
        let answer = call(&local(), request).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (status, &b""[..]));
    }
    let server = Server::start(vec![ok("all of it"), "hang".into()]).await;
    let optional = HttpRequest { body_optional: true, ..post(server.url("/path?token=secret")) };
    let request = |timeout| HttpRequest { timeout, ..optional.clone() };
    assert_eq!(call(&local(), request(Duration::from_secs(15))).await.unwrap().body, "all of it");
    assert_eq!(failure(&local(), request(Duration::from_millis(50))).await, HttpErrorKind::Unknown);
}

#[tokio::test]
async fn redirects_are_followed_only_as_far_as_asked() {
    let server = Server::start(vec![redirect(307, "/next"), redirect(302, "/get"), ok("{}")]).await;
    let first = call(&local(), post(server.url("/path"))).await.unwrap();
    assert_eq!(first.status, 307, "nobody asked to follow");

    let server = Server::start(vec![redirect(307, "/next"), redirect(302, "/get"), ok("{}")]).await;
    let request = HttpRequest { redirects: 2, ..post(server.url("/path")) };
    assert_eq!(call(&local(), request).await.unwrap().status, 200);
    let asked = server.asked();
    assert!(asked[1].starts_with("POST /next") && asked[1].ends_with("{\"a\":1}"), "{}", asked[1]);
    assert!(asked[2].starts_with("GET /get") && !asked[2].contains("content-type"), "{}", asked[2]);
}

#[tokio::test]
async fn redirects_lose_headers_across_origins_and_never_reach_forbidden_hosts() {
    let other = Server::start(vec![ok("{}")]).await;
    let server = Server::start(vec![redirect(307, &other.url("/"))]).await;
    let mut request = HttpRequest { redirects: 1, ..post(server.url("/path")) };
    request.headers.push(("authorization".into(), "Bearer secret".into()));
    call(&local(), request).await.unwrap();
    assert!(server.asked()[0].contains("Bearer secret"));
    assert!(!other.asked()[0].contains("Bearer secret"), "{}", other.asked()[0]);

    for to in
        ["http://169.254.169.254/latest", "http://10.0.0.1/", "file:///etc/passwd", "http://[fd00:ec2::254]/"]
    {
        let server = Server::start(vec![redirect(302, to)]).await;
        let request = HttpRequest { redirects: 3, ..post(server.url("/path?token=secret")) };
        assert_eq!(failure(&local(), request).await, HttpErrorKind::Forbidden, "{to}");
    }
}

#[tokio::test]
async fn a_wait_is_read_from_seconds_and_from_a_date() {
    let cases = [
        ("120", Some(120)),
        ("Tue, 01 Dec 2026 00:00:30 GMT", Some(30)),
        ("Mon, 30 Nov 2026 00:00:00 GMT", Some(0)),
        ("999999999", Some(86_400)),
        ("soon", None),
    ];
    for (text, seconds) in cases {
        let answer = format!("HTTP/1.1 429 Slow\r\nretry-after: {text}\r\ncontent-length: 0\r\n\r\n");
        let server = Server::start(vec![answer]).await;
        let answer = call(&local(), post(server.url("/"))).await.unwrap();
        assert_eq!(answer.retry_after, seconds.map(Duration::from_secs), "{text}");
    }
    let feishu = "HTTP/1.1 429 Slow\r\nx-ogw-ratelimit-reset: 7\r\ncontent-length: 0\r\n\r\n".to_owned();
    let server = Server::start(vec![feishu]).await;
    let answer = call(&local(), post(server.url("/"))).await.unwrap();
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)), "a name of its own");
}

#[tokio::test]
async fn a_proxy_is_used_and_is_checked_itself() {
    let proxy = Server::start(vec![ok("{}")]).await;
    let route = |url: String| Route { proxy: Some(Secret::new(url)), tls_ca: None };
    let http = client("127.0.0.0/8", vec![vec!["127.0.0.1"]]);
    let through = route(format!("http://user:secret@127.0.0.1:{}", proxy.port));
    let answer = http.call(&through, post("http://im.example.com/path")).await.unwrap();
    assert_eq!(answer.status, 200);
    let asked = &proxy.asked()[0];
    assert!(asked.starts_with("POST http://im.example.com/path"), "{asked}");
    assert!(asked.contains("proxy-authorization: Basic"), "{asked}");

    // The target is checked by its text, as it is the proxy that looks it up.
    for target in ["http://10.0.0.1/", "http://169.254.169.254/"] {
        assert_eq!(http.call(&through, post(target)).await.unwrap_err().kind, HttpErrorKind::Forbidden);
    }
    let strict = client("", vec![vec!["10.0.0.1"]]);
    for proxy in ["http://127.0.0.1:1", "socks5://2130706433:1", "http://proxy.test:1"] {
        let error = strict.call(&route(proxy.into()), post("http://1.1.1.1/path")).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::Forbidden, "{proxy}: {error}");
    }
    // hyper's SOCKS connector swallows why a lookup failed, so only the refusal itself can be seen.
    let silent = Server::start(vec![ok("{}")]).await;
    let strict = client("", vec![vec!["127.0.0.1"]]);
    let socks = route(format!("socks5://proxy.test:{}", silent.port));
    strict.call(&socks, post("http://1.1.1.1/path")).await.unwrap_err();
    assert_eq!(silent.connections.load(Ordering::Relaxed), 0);
    let strict = client("", vec![vec!["1.1.1.1"]]);
    let localhost = strict.call(&route("http://proxy.test:1".into()), post("http://localhost/")).await;
    assert_eq!(localhost.unwrap_err().kind, HttpErrorKind::Forbidden);
    for bad in ["ftp://127.0.0.1", "nonsense secret", "socks4://127.0.0.1:1", "socks5h://"] {
        let error = http.call(&route(bad.into()), post("http://1.1.1.1/")).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::BadUrl, "{bad}");
        assert!(!error.text.contains("secret"));
        assert_eq!(check_route(&route(bad.into()))[0].0, "/proxy");
    }
    let ca = Route { proxy: None, tls_ca: Some("not a certificate".into()) };
    assert_eq!(check_route(&ca)[0].0, "/tls_ca");
}

#[tokio::test]
async fn what_a_proxy_is_asked_for_is_checked_wherever_names_are_looked_up() {
    for (scheme, looks_up_itself) in [("http", true), ("https", true), ("socks5h", true), ("socks5", false)] {
        let proxy = Proxy::parse(&format!("{scheme}://proxy.test:1")).ok().unwrap();
        let http = client("", vec![vec!["1.1.1.1"]]);
        let found = |host| proxy.destination(&http, host, 25);
        let named = if looks_up_itself { "mail.test" } else { "1.1.1.1" };
        assert_eq!(found("mail.test").await.unwrap().to_string(), named, "{scheme}");
        assert_eq!(found("2606:4700::1").await.unwrap().to_string(), "[2606:4700::1]", "{scheme}");
        for host in ["10.0.0.1", "2130706433", "::1", "[::ffff:127.0.0.1]"] {
            assert_eq!(found(host).await.unwrap_err().kind, HttpErrorKind::Forbidden, "{scheme}: {host}");
        }

        let hiding = client("", vec![vec!["127.0.0.1"]]);
        assert_eq!(proxy.destination(&hiding, "mail.test", 25).await.is_ok(), looks_up_itself, "{scheme}");
        for host in ["localhost", "any.LOCALHOST."] {
            let error = proxy.destination(&hiding, host, 25).await.unwrap_err();
            assert_eq!(error.kind, HttpErrorKind::Forbidden, "{scheme}: {host}");
        }
    }
}

#[test]
fn a_proxy_url_says_port_and_credentials() {
    let credentials = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
    for (url, port, expected) in [
        ("http://p", 80, None),
        ("https://p/", 443, None),
        ("socks5://p", 1080, None),
        ("socks5h://user@p", 1080, credentials("user", "")),
        ("http://user:open%20s%C3%A9same%40@p:3128", 3128, credentials("user", "open s\u{e9}same@")),
    ] {
        let proxy = Proxy::parse(url).ok().unwrap();
        assert_eq!((proxy.host(), proxy.port(), proxy.credentials()), ("p", port, expected), "{url}");
    }
}
