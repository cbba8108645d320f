//! From a request's credentials to an identity, and from there to a yes or no.
//!
//! Three kinds of credentials: a Signature Version 4 or HTTP Basic of an access key, which brings its project along;
//! a bearer token of an operator; and the same token in a cookie. `Authorization` goes before the cookie.
//!
//! A cookie travels with requests that other sites cause, so with a cookie an unsafe method must also carry what no
//! other site can send without asking us first: a JSON content type, or the header `X-Requested-With`. That stands
//! besides `SameSite=Strict`, which not every browser keeps to.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mc_core::model::{Operator, OperatorRole};
use mc_pipeline::syslog;
use serde_json::json;

use super::opened::OpenedKey;
use super::sigv4::{self, SignedRequest};
use super::{basic, session, source};
use crate::access::{Need, operator_role_word};
use crate::call::is_resource_name;
use crate::problem::ApiError;
use crate::state::Api;

/// The project of an operator who names none.
pub const DEFAULT_PROJECT: &str = "default";

/// The project that stands for every project in an operator's roles.
pub const EVERY_PROJECT: &str = "*";

/// No access key id is longer.
const MAX_ACCESS_KEY_ID: usize = 128;

/// Who is calling.
#[derive(Clone)]
pub enum Who {
    /// Somebody without credentials, where none are needed.
    Nobody,
    /// An access key.
    Key(Arc<OpenedKey>),
    /// An operator who is signed in.
    Operator(SignedIn),
}

/// An operator's session.
#[derive(Clone)]
pub struct SignedIn {
    /// The operator's name.
    pub username: String,
    /// The operator.
    pub account: Arc<Operator>,
    /// What the store knows the session by.
    pub token_hash: String,
    /// Until when.
    pub expires_at: mc_core::Timestamp,
}

/// Who is calling, and about which project.
#[derive(Clone)]
pub struct Identity {
    /// The project the request is about.
    pub project: Arc<str>,
    /// How logs and messages call the caller.
    pub actor: Arc<str>,
    /// The caller.
    pub who: Who,
}

impl Who {
    /// The operator's role in a project; access keys have none.
    pub fn operator_role(&self, project: &str) -> Option<OperatorRole> {
        match self {
            Who::Operator(operator) => role_in(&operator.account, project),
            Who::Nobody | Who::Key(_) => None,
        }
    }
}

/// The greater of an operator's role in the project and in all projects.
pub fn role_in(operator: &Operator, project: &str) -> Option<OperatorRole> {
    let role = |name: &str| operator.roles.get(name).copied();
    role(project).max(role(EVERY_PROJECT))
}

/// Refuses a request without any credentials, before its body is read.
pub(crate) fn check_presented(parts: &Parts, need: Need) -> Result<(), ApiError> {
    let free = match need {
        Need::Nothing => true,
        Need::Local => is_local(parts),
        _ => false,
    };
    let presented =
        parts.headers.contains_key(header::AUTHORIZATION) || session::cookie(&parts.headers).is_some();
    if free || presented { Ok(()) } else { Err(refused(&parts.headers, "missing")) }
}

/// Finds out who is calling and whether they may.
pub(crate) async fn identify(
    api: &Api,
    parts: &Parts,
    body: &[u8],
    need: Need,
) -> Result<Identity, ApiError> {
    if need == Need::Nothing || (need == Need::Local && is_local(parts)) {
        return Ok(Identity { project: "".into(), actor: "nobody".into(), who: Who::Nobody });
    }
    let who = authenticate(api, parts, body).await?;
    match &who {
        Who::Nobody => Err(refused(&parts.headers, "missing")),
        Who::Key(key) => {
            let (project, actor) = (key.project.clone(), key.actor.clone());
            check_source(api, key, parts).await?;
            check_key(key, need, &parts.headers)?;
            Ok(Identity { project, actor, who })
        }
        Who::Operator(operator) => {
            let actor = format!("operator:{}", operator.username).into();
            let project = operator_project(api, operator, need, &parts.headers).await?;
            Ok(Identity { project, actor, who })
        }
    }
}

/// Refuses a key that is used from where it may not be, and notes it: somebody else may have it.
async fn check_source(api: &Api, key: &OpenedKey, parts: &Parts) -> Result<(), ApiError> {
    if key.networks.is_empty() {
        return Ok(());
    }
    let address = source::of(parts, &api.options.trusted_proxies);
    if address.is_some_and(|address| key.networks.contains(address)) {
        return Ok(());
    }
    metrics::counter!("message_center_auth_failures_total", "reason" => "address").increment(1);
    let from = address.map_or_else(|| "an address that is not known".to_owned(), |a| a.to_string());
    let center = &api.center;
    let what = format!("{}/{from}", key.key.access_key_id);
    if let Some(count) = api.noting.count(what, center.clock.now()) {
        let data = json!({"access_key": key.key.access_key_id, "from": from, "count": count});
        if let Err(error) = syslog::note(center, &key.project, "access_key.refused", data).await {
            tracing::warn!(error = %error, "a refused access key could not be noted");
        }
    }
    let detail = format!("this access key may not be used from {from}");
    Err(ApiError::new(StatusCode::FORBIDDEN, "address_not_allowed", detail))
}

fn check_key(key: &OpenedKey, need: Need, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(least) = need.key_role() else {
        return Err(ApiError::forbidden("this is for operators; sign in with POST /v1/session"));
    };
    if headers.get("x-project").is_some_and(|named| named.as_bytes() != key.project.as_bytes()) {
        return Err(ApiError::forbidden("an access key opens its own project only; leave X-Project out"));
    }
    if key.key.role < least {
        return Err(ApiError::forbidden(format!(
            "this needs an access key with the role {}",
            least.as_str()
        )));
    }
    Ok(())
}

/// The project an operator's request is about, if the role there is enough.
async fn operator_project(
    api: &Api,
    operator: &SignedIn,
    need: Need,
    headers: &HeaderMap,
) -> Result<Arc<str>, ApiError> {
    let least = need.operator_role();
    let project = match need {
        Need::Nothing | Need::Caller | Need::Operator => return Ok(DEFAULT_PROJECT.into()),
        Need::Center if operator.account.roles.get(EVERY_PROJECT) == Some(&least) => {
            return Ok(DEFAULT_PROJECT.into());
        }
        Need::Center => return Err(ApiError::forbidden("this needs the role admin in all projects (*)")),
        Need::Local | Need::Project { .. } => headers.get("x-project"),
    };
    let not_seen = || ApiError::forbidden("X-Project names no project that you may see");
    let name = match project {
        Some(named) => named.to_str().map_err(|_| not_seen())?,
        None => DEFAULT_PROJECT,
    };
    let role = role_in(&operator.account, name).ok_or_else(not_seen)?;
    // Who may see every project may still name one that there is not.
    if project.is_some() && (!is_resource_name(name) || api.center.projects.get(name).await?.is_none()) {
        return Err(not_seen());
    }
    if role < least {
        let word = operator_role_word(least);
        return Err(ApiError::forbidden(format!("this needs the role {word} in the project")));
    }
    Ok(name.into())
}

async fn authenticate(api: &Api, parts: &Parts, body: &[u8]) -> Result<Who, ApiError> {
    let headers = &parts.headers;
    let refuse = |reason| refused(headers, reason);
    if !headers.contains_key(header::AUTHORIZATION) {
        let token = session::cookie(headers).ok_or_else(|| refuse("missing"))?;
        let who = operator(api, token).await?.ok_or_else(|| refuse("session"))?;
        check_origin(parts)?;
        return Ok(who);
    }
    if sigv4::is_signed(headers) {
        return signed(api, parts, body).await;
    }
    match basic::parse(headers) {
        Ok(given) => {
            let key = usable_key(api, &given.id).await?.ok_or_else(|| refuse("access_key"))?;
            if !basic::secret_matches(&given.secret, key.secret.expose().as_bytes()) {
                return Err(refuse("secret"));
            }
            if !key.key.basic {
                return Err(refuse("basic_off"));
            }
            note_use(api, &key);
            Ok(Who::Key(key))
        }
        Err(basic::BasicFailure::Malformed) => Err(refuse("malformed")),
        Err(basic::BasicFailure::Missing) => {
            let token = session::bearer(headers).ok_or_else(|| refuse("malformed"))?;
            operator(api, token).await?.ok_or_else(|| refuse("session"))
        }
    }
}

async fn signed(api: &Api, parts: &Parts, body: &[u8]) -> Result<Who, ApiError> {
    let refuse = |reason| refused(&parts.headers, reason);
    let parsed = sigv4::parse(&parts.headers).map_err(|failure| refuse(failure.code()))?;
    let key = usable_key(api, parsed.access_key_id).await?.ok_or_else(|| refuse("access_key"))?;
    let request = SignedRequest {
        method: &parts.method,
        raw_path: parts.uri.path(),
        raw_query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    };
    let now = api.center.clock.now().millis();
    api.signing_keys
        .verify(&parsed, &request, key.secret.expose().as_bytes(), now)
        .map_err(|failure| refuse(failure.code()))?;
    note_use(api, &key);
    Ok(Who::Key(key))
}

/// The key, if there is one and it works.
async fn usable_key(api: &Api, access_key_id: &str) -> Result<Option<Arc<OpenedKey>>, ApiError> {
    if access_key_id.len() > MAX_ACCESS_KEY_ID {
        return Ok(None);
    }
    let center = &api.center;
    let Some(key) = center.access_keys.get(access_key_id).await? else { return Ok(None) };
    let over = key.expires_at.is_some_and(|at| at <= center.clock.now());
    if !key.enabled || over {
        return Ok(None);
    }
    Ok(Some(api.opened_keys.open(key, &center.sealer)?))
}

/// The session of a token, if it is open and its operator is still there.
async fn operator(api: &Api, token: &str) -> Result<Option<Who>, ApiError> {
    let center = &api.center;
    let Some(username) = session::username_of(token).filter(|name| is_resource_name(name)) else {
        return Ok(None);
    };
    let Some(account) = center.operators.get(&username).await? else { return Ok(None) };
    if let Some(session) = session_of(api, token, &username, account.clone()).await? {
        return Ok(Some(Who::Operator(session)));
    }
    // Another process may have changed the password since we read the operator.
    let Some(stored) = center.operators.stored(&username).await? else { return Ok(None) };
    if stored.password == account.password {
        return Ok(None);
    }
    Ok(session_of(api, token, &username, Arc::new(stored)).await?.map(Who::Operator))
}

async fn session_of(
    api: &Api,
    token: &str,
    username: &str,
    account: Arc<Operator>,
) -> Result<Option<SignedIn>, ApiError> {
    let center = &api.center;
    let token_hash = session::token_hash(token, &account);
    let Some(open) = center.operators.session(&token_hash).await? else { return Ok(None) };
    let signed_out = account.signed_out_at.is_some_and(|at| open.opened_at() <= at);
    if open.username != username || open.expires_at <= center.clock.now() || signed_out || !account.enabled {
        return Ok(None);
    }
    let (username, expires_at) = (username.to_owned(), open.expires_at);
    Ok(Some(SignedIn { username, account, token_hash, expires_at }))
}

/// Whether a request with a cookie can only have come from our own pages.
fn check_origin(parts: &Parts) -> Result<(), ApiError> {
    let json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("application/json")
    });
    if parts.method.is_safe() || json || parts.headers.contains_key("x-requested-with") {
        return Ok(());
    }
    let detail = "with a cookie, changes need content-type application/json or the header X-Requested-With";
    Err(ApiError::new(StatusCode::FORBIDDEN, "cross_site", detail))
}

/// Remembers in the background that the key was used; nobody waits for it.
fn note_use(api: &Api, key: &OpenedKey) {
    let id = &key.key.access_key_id;
    if api.center.access_keys.use_is_noted(id) {
        return;
    }
    let (center, id) = (api.center.clone(), id.clone());
    tokio::spawn(async move {
        if let Err(error) = center.access_keys.note_use(&id).await {
            tracing::warn!(error = %error, access_key.id = id, "the use of an access key was not noted");
        }
    });
}

/// Whether the request came from this machine itself, and not through a proxy on it.
fn is_local(parts: &Parts) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for"].iter().any(|name| parts.headers.contains_key(*name));
    !forwarded && source::peer(parts).is_some_and(|ip| ip.is_loopback())
}

/// The same 401 whatever was wrong; the reason is for logs and metrics.
fn refused(headers: &HeaderMap, reason: &'static str) -> ApiError {
    metrics::counter!("message_center_auth_failures_total", "reason" => reason).increment(1);
    tracing::debug!(reason, "not authenticated");
    // A browser that sees Basic here opens a window of its own, in front of the console's.
    let script =
        ["x-requested-with", "sec-fetch-mode", "cookie"].iter().any(|name| headers.contains_key(*name));
    let challenge = match script {
        true => r#"AWS4-HMAC-SHA256 realm="message-center", Bearer realm="message-center""#,
        false => {
            r#"AWS4-HMAC-SHA256 realm="message-center", Basic realm="message-center", Bearer realm="message-center""#
        }
    };
    let detail = "the credentials are missing or wrong: sign with AWS Signature Version 4 (service message-center), or \
                  use HTTP Basic with an access key, or sign in with POST /v1/session";
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
