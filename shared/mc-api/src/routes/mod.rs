//! Every route: its method, path, need, query parameters and handler, in one table.
//!
//! The router and the OpenAPI document are both made from the table. A handler's `#[utoipa::path]` repeats method and
//! path; a test holds the two together.

pub mod access_keys;
pub mod alarms;
pub mod callbacks;
pub mod channels;
pub mod contacts;
pub mod dead_letters;
pub mod events;
pub mod groups;
pub mod messages;
pub mod monitoring;
pub mod operators;
pub mod platform_templates;
pub mod preview;
pub mod projects;
pub mod quotas;
pub mod schedules;
pub mod session;
pub mod stats;
pub mod suppressions;
pub mod template_diff;
pub mod templates;
pub mod unsubscribe;
pub mod webhooks;

mod channel_body;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{MethodFilter, on};
use http::Method;
use utoipa::OpenApi;

use crate::access::Need;
use crate::endpoint;
use crate::state::Api;

/// One line of the table.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with its variable parts in braces.
    pub path: &'static str,
    /// What it asks of its caller.
    pub need: Need,
    /// The query parameters it takes; with `*` among them, whatever else comes is passed over.
    pub query: &'static [&'static str],
}

impl Route {
    /// Whether it sends messages, for which the project's limits hold.
    pub(crate) fn limited(&self) -> bool {
        matches!(
            self.path,
            "/v1/messages"
                | "/v1/messages/batch"
                | "/v1/messages/{id}/retry"
                | "/v1/channels/{name}/test"
                | "/v1/schedules/{name}/run"
        ) && self.method == Method::POST
    }
}

/// The query parameters of a plain collection.
const PAGE: &[&str] = &["limit", "cursor"];
/// No query parameters.
const NONE: &[&str] = &[];

macro_rules! routes {
    ($($table:ident, $add:ident { $($method:ident $path:literal $need:ident $query:ident $module:ident::$handler:ident,)+ })+) => {
        $(
            static $table: &[Route] = &[
                $(Route { method: Method::$method, path: $path, need: Need::$need, query: $query },)+
            ];

            fn $add(mut router: Router<Arc<Api>>) -> Router<Arc<Api>> {
                let mut lines = $table.iter();
                $(
                    if let Some(line) = lines.next() {
                        let endpoint = move |State(api): State<Arc<Api>>, request: Request| {
                            endpoint::run(line, api, request, $module::$handler)
                        };
                        router = router.route($path, on(MethodFilter::$method, endpoint));
                    }
                )+
                router
            }
        )+

        /// What the handlers say of themselves.
        #[derive(OpenApi)]
        #[openapi(paths($($($module::$handler),+),+))]
        pub(crate) struct Documented;

        /// Every line of the table.
        pub fn all() -> impl Iterator<Item = &'static Route> {
            [$($table),+].into_iter().flatten()
        }

        fn add_all(mut router: Router<Arc<Api>>) -> Router<Arc<Api>> {
            $(router = $add(router);)+
            router
        }
    };
}

/// Stands for all parameters that a route does not know and passes over.
pub(crate) const OTHERS: &str = "*";

/// Whatever a platform likes: its callbacks read their query themselves.
const ANY: &[&str] = &[OTHERS];

/// What a listing of messages may be filtered by.
const MESSAGES_QUERY: &[&str] =
    &["limit", "cursor", "status", "channel", "template", "tag", "reference", "sender", "from", "to"];
/// What a listing of the system log may be filtered by, and its form.
const EVENTS_QUERY: &[&str] = &["limit", "cursor", "type", "actor", "resource", "from", "to", "format"];
/// What an import may be told.
const IMPORT_QUERY: &[&str] = &["dry_run"];
/// What statistics are about.
const STATS_QUERY: &[&str] = &["from", "to", "interval", "by"];
/// What a listing of recipients may be filtered by.
const RECIPIENTS_QUERY: &[&str] = &["limit", "cursor", "status"];
/// Whose quotas are listed.
const QUOTAS_QUERY: &[&str] = &["limit", "cursor", "channel"];
/// What contacts may be searched for.
const CONTACTS_QUERY: &[&str] = &["limit", "cursor", "q"];
/// What a version of a template may be compared with.
const DIFF_QUERY: &[&str] = &["to"];

/// What a listing of suppressed addresses may be filtered by.
const SUPPRESSIONS_QUERY: &[&str] = &["limit", "cursor", "address"];
/// The one address that is meant.
const ADDRESS: &[&str] = &["address"];
/// The token of a link. Between the mail and the browser others add their own parameters to it.
const TOKEN: &[&str] = &["t", OTHERS];

routes! {
    MESSAGES, add_messages {
        POST "/v1/messages" SEND NONE messages::send,
        GET "/v1/messages" SEE MESSAGES_QUERY messages::list,
        POST "/v1/messages/batch" SEND NONE messages::send_batch,
        GET "/v1/messages/{id}" SEE NONE messages::get,
        PATCH "/v1/messages/{id}" SEND NONE messages::change,
        GET "/v1/messages/{id}/recipients" SEE RECIPIENTS_QUERY messages::recipients,
        POST "/v1/messages/{id}/cancel" SEND NONE messages::cancel,
        POST "/v1/messages/{id}/retry" SEND NONE messages::retry,
        POST "/v1/messages/{id}/recall" SEND NONE messages::recall,
    }
    OPEN, add_open {
        GET "/healthz" Nothing NONE monitoring::healthz,
        GET "/openapi.json" Nothing NONE monitoring::openapi_json,
        GET "/metrics" Local NONE monitoring::metrics_text,
        GET "/v1/events" READ EVENTS_QUERY events::list,
        GET "/v1/quotas" READ QUOTAS_QUERY quotas::list,
        GET "/v1/stats" READ STATS_QUERY stats::get,
    }
    TEMPLATES, add_templates {
        GET "/v1/templates" READ PAGE templates::list,
        GET "/v1/templates/{name}" READ NONE templates::get,
        PUT "/v1/templates/{name}" ADMIN NONE templates::put,
        DELETE "/v1/templates/{name}" ADMIN NONE templates::delete,
        GET "/v1/templates/{name}/versions" READ PAGE templates::versions,
        GET "/v1/templates/{name}/versions/{version}" READ NONE templates::version,
        POST "/v1/templates/{name}/versions/{version}/approve" ADMIN NONE templates::approve,
        POST "/v1/templates/{name}/versions/{version}/reject" ADMIN NONE templates::reject,
        GET "/v1/templates/{name}/versions/{version}/diff" READ DIFF_QUERY template_diff::diff,
        POST "/v1/templates/{name}/rollback" ADMIN NONE templates::rollback,
        POST "/v1/templates/{name}/preview" READ NONE preview::stored,
        POST "/v1/preview" READ NONE preview::draft,
    }
    CHANNELS, add_channels {
        GET "/v1/channels" READ PAGE channels::list,
        GET "/v1/channels/{name}" READ NONE channels::get,
        PUT "/v1/channels/{name}" ADMIN NONE channels::put,
        DELETE "/v1/channels/{name}" ADMIN NONE channels::delete,
        POST "/v1/channels/{name}/test" TEST NONE channels::test,
        POST "/v1/channels/{name}/check" TEST NONE channels::check,
        GET "/v1/channels/{name}/platform-templates" TEST NONE platform_templates::list,
    }
    CALLBACKS, add_callbacks {
        GET "/v1/callbacks/{project}/{channel}" Nothing ANY callbacks::verify,
        POST "/v1/callbacks/{project}/{channel}" Nothing ANY callbacks::take,
    }
    WEBHOOKS, add_webhooks {
        GET "/v1/webhooks" READ PAGE webhooks::list,
        GET "/v1/webhooks/{name}" READ NONE webhooks::get,
        PUT "/v1/webhooks/{name}" ADMIN NONE webhooks::put,
        DELETE "/v1/webhooks/{name}" ADMIN NONE webhooks::delete,
        GET "/v1/webhooks/{name}/attempts" READ PAGE webhooks::attempts,
        POST "/v1/webhooks/{name}/replay" REPAIR NONE webhooks::replay,
    }
    SUPPRESSIONS, add_suppressions {
        GET "/v1/suppressions" READ SUPPRESSIONS_QUERY suppressions::list,
        POST "/v1/suppressions" REPAIR NONE suppressions::add,
        DELETE "/v1/suppressions" REPAIR ADDRESS suppressions::remove,
    }
    UNSUBSCRIBE, add_unsubscribe {
        GET "/v1/unsubscribe" Nothing TOKEN unsubscribe::ask,
        POST "/v1/unsubscribe" Nothing TOKEN unsubscribe::carry_out,
    }
    CONTACTS, add_contacts {
        GET "/v1/contacts" READ CONTACTS_QUERY contacts::list,
        POST "/v1/contacts/import" ADMIN IMPORT_QUERY contacts::import_csv,
        GET "/v1/contacts/{id}" READ NONE contacts::get,
        PUT "/v1/contacts/{id}" ADMIN NONE contacts::put,
        DELETE "/v1/contacts/{id}" ADMIN NONE contacts::delete,
        GET "/v1/groups" READ PAGE groups::list,
        GET "/v1/groups/{name}" READ NONE groups::get,
        PUT "/v1/groups/{name}" ADMIN NONE groups::put,
        DELETE "/v1/groups/{name}" ADMIN NONE groups::delete,
    }
    SCHEDULES, add_schedules {
        GET "/v1/schedules" READ PAGE schedules::list,
        GET "/v1/schedules/{name}" READ NONE schedules::get,
        PUT "/v1/schedules/{name}" ADMIN NONE schedules::put,
        DELETE "/v1/schedules/{name}" ADMIN NONE schedules::delete,
        POST "/v1/schedules/{name}/run" SEND NONE schedules::run,
    }
    ALARMS, add_alarms {
        GET "/v1/alarms" READ PAGE alarms::list,
        GET "/v1/alarms/{name}" READ NONE alarms::get,
        PUT "/v1/alarms/{name}" ADMIN NONE alarms::put,
        DELETE "/v1/alarms/{name}" ADMIN NONE alarms::delete,
    }
    DEAD_LETTERS, add_dead_letters {
        GET "/v1/dead-letters" READ PAGE dead_letters::list,
        POST "/v1/dead-letters/redrive" REPAIR NONE dead_letters::redrive,
    }
    ACCESS_KEYS, add_access_keys {
        GET "/v1/access-keys" READ PAGE access_keys::list,
        POST "/v1/access-keys" ADMIN NONE access_keys::create,
        GET "/v1/access-keys/{id}" READ NONE access_keys::get,
        PATCH "/v1/access-keys/{id}" ADMIN NONE access_keys::change,
        DELETE "/v1/access-keys/{id}" ADMIN NONE access_keys::delete,
        POST "/v1/access-keys/{id}/rotate" ADMIN NONE access_keys::rotate,
    }
    PROJECTS, add_projects {
        GET "/v1/projects" Caller PAGE projects::list,
        GET "/v1/projects/{name}" Caller NONE projects::get,
        PUT "/v1/projects/{name}" Caller NONE projects::put,
        DELETE "/v1/projects/{name}" Caller NONE projects::delete,
    }
    OPERATORS, add_operators {
        GET "/v1/operators" Center PAGE operators::list,
        GET "/v1/operators/{username}" Center NONE operators::get,
        PUT "/v1/operators/{username}" Center NONE operators::put,
        DELETE "/v1/operators/{username}" Center NONE operators::delete,
        POST "/v1/session" Nothing NONE session::open,
        GET "/v1/session" Operator NONE session::get,
        PATCH "/v1/session" Operator NONE session::change_password,
        DELETE "/v1/session" Operator NONE session::close,
    }
}

/// The whole API.
pub fn router(api: Arc<Api>) -> Router {
    complete(add_all(Router::new()), api)
}

/// Messages only, for a place that does nothing but accept and show them.
pub fn ingest_router(api: Arc<Api>) -> Router {
    complete(add_messages(Router::new()), api)
}

/// What platforms and readers of mails call, for a place that does nothing but hear them.
pub fn callback_router(api: Arc<Api>) -> Router {
    complete(add_unsubscribe(add_callbacks(Router::new())), api)
}

/// Adds the answers to what is not in the table.
fn complete(router: Router<Arc<Api>>, api: Arc<Api>) -> Router {
    router
        .fallback(|State(api): State<Arc<Api>>, request: Request| endpoint::not_found(api, request))
        .method_not_allowed_fallback(|State(api): State<Arc<Api>>, request: Request| {
            endpoint::method_not_allowed(api, request)
        })
        .with_state(api)
}
