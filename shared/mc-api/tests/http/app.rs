//! One message center per test, and a client that distrusts every answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use mc_api::auth::session;
use mc_api::{Api, ApiOptions, NewAccessKey, issue};
use mc_core::Secret;
use mc_core::model::{Operator, OperatorRole, Role};
use mc_core::ports::{
    Consumer, Family, Http, HttpError, HttpErrorKind, HttpRequest, HttpResponse, Random, Route as Way,
};
use mc_pipeline::center::Tuning;
use mc_pipeline::deliver::Deliverer;
use mc_pipeline::seal::{KeyRing, Sealer};
use mc_pipeline::{Center, Parts};
use mc_store_embedded::{Embedded, Options};
use mc_testkit::{MockClock, SeqIds, SeqRandom};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::document::Document;
use crate::logs;

/// Part of every secret in the tests, so that no answer may hold it.
pub const SECRET: &str = "hunter2";

/// A platform that answers every call with one status and one body.
pub struct Platform {
    pub status: AtomicU16,
    pub body: Mutex<&'static str>,
    pub calls: AtomicUsize,
}

#[async_trait]
impl Http for Platform {
    async fn call(&self, _way: &Way, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let status = self.status.load(Ordering::SeqCst);
        Ok(HttpResponse {
            status,
            retry_after: None,
            content_type: None,
            body: bytes::Bytes::from_static(self.body.lock().unwrap().as_bytes()),
        })
    }

    async fn admit(&self, url: &str) -> Result<(), HttpError> {
        let kind = match url {
            _ if url.contains("//10.") => HttpErrorKind::Forbidden,
            _ if url.starts_with("http") => return Ok(()),
            _ => HttpErrorKind::BadUrl,
        };
        Err(HttpError { kind, text: "this may not be called".to_owned() })
    }

    async fn resolve(&self, _host: &str, _port: u16) -> Result<Vec<SocketAddr>, HttpError> {
        Ok(Vec::new())
    }
}

/// Credentials.
#[derive(Clone)]
pub enum As {
    Nobody,
    Key { id: String, secret: String },
    Token(String),
    Cookie(String),
}

pub struct App {
    pub api: Arc<Api>,
    pub center: Arc<Center>,
    pub clock: Arc<MockClock>,
    pub platform: Arc<Platform>,
    pub admin: As,
    router: Router,
    data: Embedded,
    _folder: tempfile::TempDir,
}

impl App {
    /// The projects `default` and `other`; an access key of the role admin that most calls are made with.
    pub async fn new() -> Self {
        Self::with(ApiOptions { version: "test", ..ApiOptions::default() }).await
    }

    pub async fn with(options: ApiOptions) -> Self {
        logs::keep();
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(MockClock::default());
        let random: Arc<dyn Random> = Arc::new(SeqRandom::default());
        let mut place = Options::new(folder.path());
        place.log_bytes = 1 << 20;
        let data = Embedded::open(place, clock.clone()).unwrap();
        let platform = Arc::new(Platform {
            status: AtomicU16::new(200),
            body: Mutex::new("{}"),
            calls: AtomicUsize::new(0),
        });
        let ring = KeyRing::generate("k1", &*random).unwrap();
        let center = Arc::new(Center::new(Parts {
            store: Arc::new(data.store()),
            queue: Arc::new(data.queue()),
            blobs: Arc::new(data.blobs()),
            http: platform.clone(),
            mail: None,
            clock: clock.clone(),
            ids: Arc::new(SeqIds::default()),
            random: random.clone(),
            sealer: Arc::new(Sealer::new(&ring, random).unwrap()),
            tuning: Tuning::default(),
        }));
        for project in ["default", "other"] {
            center.projects.ensure(project).await.unwrap();
        }
        let api = Arc::new(Api::new(center.clone(), options));
        let router = mc_api::router(api.clone());
        let admin = As::Nobody;
        let mut app = Self { api, center, clock, platform, admin, router, data, _folder: folder };
        app.admin = app.key("default", Role::Admin).await;
        app
    }

    /// A new access key.
    pub async fn key(&self, project: &str, role: Role) -> As {
        self.key_with(project, role, |_| {}).await
    }

    pub async fn key_with(&self, project: &str, role: Role, change: impl FnOnce(&mut NewAccessKey)) -> As {
        let mut new = NewAccessKey::new(project, "test", role);
        new.secret = Some(Secret::new(format!("{SECRET}/sk+{project}")));
        change(&mut new);
        let (key, secret) = issue(&self.center, new).await.unwrap();
        As::Key { id: key.access_key_id, secret: secret.expose().to_owned() }
    }

    /// A new operator who is signed in. The password hash is none, which makes it quick.
    pub async fn operator(&self, username: &str, roles: &[(&str, OperatorRole)]) -> As {
        let roles: BTreeMap<String, OperatorRole> =
            roles.iter().map(|(p, r)| ((*p).to_owned(), *r)).collect();
        let account = Operator::new(format!("not a hash {SECRET}"), roles);
        let (_, account) = self.center.operators.put(username, account).await.unwrap();
        let token = session::new_token(username, &*self.center.random);
        let hash = session::token_hash(token.expose(), &account);
        self.center.operators.open_session(&hash, username).await.unwrap();
        As::Token(token.expose().to_owned())
    }

    /// Somebody who may do everything.
    pub async fn root(&self) -> As {
        self.operator("root", &[("*", OperatorRole::Admin)]).await
    }

    /// A call, by the admin key unless it says otherwise.
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        let parts = Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0;
        Call { app: self, parts, by: self.admin.clone(), body: Vec::new() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path).json(body).send().await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call("PUT", path).json(body).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path).send().await
    }

    /// A webhook channel, which takes any message.
    pub async fn channel(&self, name: &str) {
        let body = json!({"kind": "webhook", "settings": {"url": "https://im.example.com/send"}});
        self.put(&format!("/v1/channels/{name}"), body).await.is(201);
    }

    /// Closes the store under the API's feet.
    pub async fn close(&self) {
        self.data.close().await.unwrap();
    }

    /// Works on everything that is due.
    pub async fn deliver(&self) {
        let deliverer = Deliverer::new(self.center.clone());
        let queue = self.data.queue();
        for family in Family::ALL {
            while let Some(taken) = queue.next_unless_idle(family).await {
                let verdicts = deliverer.consume(taken.envelope().clone()).await;
                taken.finish_durably(verdicts).await.unwrap();
            }
        }
    }
}

/// A call that is being put together.
pub struct Call<'a> {
    app: &'a App,
    parts: http::request::Parts,
    by: As,
    body: Vec<u8>,
}

impl Call<'_> {
    pub fn by(mut self, who: &As) -> Self {
        self.by = who.clone();
        self
    }

    pub fn json(self, body: Value) -> Self {
        self.bytes(body.to_string()).header("content-type", "application/json")
    }

    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.parts.headers.append(name, value.parse().unwrap());
        self
    }

    pub fn from(mut self, address: &str) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        self.parts.extensions.insert(ConnectInfo(address));
        self
    }

    pub async fn send(mut self) -> Answer {
        match &self.by {
            As::Nobody => {}
            As::Key { id, secret } => {
                let encoded = STANDARD.encode(format!("{id}:{secret}"));
                self = self.header("authorization", &format!("Basic {encoded}"));
            }
            As::Token(token) => {
                let value = format!("Bearer {token}");
                self = self.header("authorization", &value);
            }
            As::Cookie(token) => {
                let value = format!("{}={token}", session::COOKIE);
                self = self.header("cookie", &value);
            }
        }
        let (method, path) = (self.parts.method.to_string(), self.parts.uri.path().to_owned());
        let request = Request::from_parts(self.parts, Body::from(self.body));
        let response = self.app.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, text, json };
        let whose = format!("{method} {path}: {}", answer.text);
        assert!(answer.headers.contains_key("x-request-id"), "{whose}");
        assert!(!answer.text.contains(SECRET), "{whose}");
        assert!(!logs::logged().contains(SECRET), "{}", logs::logged());
        static DOCUMENT: OnceLock<Document> = OnceLock::new();
        DOCUMENT.get_or_init(Document::new).check(&method, &path, &answer);
        answer
    }
}

/// An answer that is as the document says.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Answer {
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// A problem with this code, and with a first pointer if it names one.
    #[track_caller]
    pub fn refuses(self, status: u16, code: &str, pointer: &str) -> Self {
        let this = self.is(status);
        assert_eq!(this.json["code"], code, "{}", this.text);
        let first = this.json["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert_eq!(first, pointer, "{}", this.text);
        this
    }

    pub fn text_at(&self, pointer: &str) -> String {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no {pointer} in {}", self.text)).to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The values of a field of all items.
    pub fn items(&self, field: &str) -> Vec<String> {
        let items = self.json["items"].as_array().unwrap_or_else(|| panic!("no items in {}", self.text));
        items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
    }
}
