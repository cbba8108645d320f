//! The API's description, made from the code and kept in a file.

use serde_json::json;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Type,
};

use crate::access::{Need, operator_role_word};
use crate::auth::session;
use crate::problem::{Problem, ProblemField};
use crate::routes::{self, Documented, OTHERS, Route};

/// What every document begins with.
const DESCRIPTION: &str = "Sends messages through many platforms. Callers sign with AWS Signature Version 4 (service \
message-center) or use HTTP Basic with an access key, which selects the project. Operators sign in with POST \
/v1/session and name a project in X-Project. Errors are application/problem+json (RFC 9457). Request bodies are at \
most 4 MiB. Every answer has x-request-id.";

/// The document as it is served: `openapi.json`, which a test holds to [`document`]. Making it anew in each process would
/// put half a megabyte of code into the functions.
pub const JSON: &str = include_str!("../openapi.json");

/// The document: what the handlers say of themselves, and what the table says of their routes.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Documented::openapi();
    document.info = InfoBuilder::new()
        .title("Message Center")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    for route in routes::all() {
        if let Some(operation) = operation(&mut document, route) {
            complete(operation, route);
        }
    }
    let components = document.components.get_or_insert_default();
    components.schemas.insert("Problem".to_owned(), <Problem as utoipa::PartialSchema>::schema());
    components.schemas.insert("ProblemField".to_owned(), <ProblemField as utoipa::PartialSchema>::schema());
    for (name, scheme) in security_schemes() {
        components.security_schemes.insert(name.to_owned(), RefOr::T(scheme));
    }
    document
}

fn operation<'a>(document: &'a mut utoipa::openapi::OpenApi, route: &Route) -> Option<&'a mut Operation> {
    let item = document.paths.paths.get_mut(route.path)?;
    match route.method.as_str() {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

/// The four ways to say who one is.
fn security_schemes() -> [(&'static str, SecurityScheme); 4] {
    let http = |scheme: HttpAuthScheme, text: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(text)).build())
    };
    let header = ApiKeyValue::with_description(
        "Authorization",
        "AWS Signature Version 4 with an access key; service message-center, any region",
    );
    let cookie = ApiKeyValue::with_description(
        session::COOKIE,
        "An operator's session; changes also need a JSON content type or X-Requested-With",
    );
    [
        ("sigv4", SecurityScheme::ApiKey(ApiKey::Header(header))),
        ("basic", http(HttpAuthScheme::Basic, "Access key id and secret")),
        ("bearer", http(HttpAuthScheme::Bearer, "An operator's session token")),
        ("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ]
}

/// Adds what follows from the route's line in the table: credentials, the least roles, parameters and problems.
fn complete(operation: &mut Operation, route: &Route) {
    let of_operators = ["bearer", "cookie"];
    let schemes: Vec<&str> = match route.need {
        Need::Nothing => Vec::new(),
        Need::Operator | Need::Center => of_operators.to_vec(),
        Need::Local | Need::Caller | Need::Project { .. } => {
            ["sigv4", "basic"].into_iter().chain(of_operators).collect()
        }
    };
    let requirement = |name: &&str| SecurityRequirement::new(*name, Vec::<String>::new());
    operation.security = Some(schemes.iter().map(requirement).collect());
    add_parameters(operation, route);
    add_problems(operation, route);
    if let (Need::Local | Need::Project { .. }, Some(key)) = (route.need, route.need.key_role()) {
        let roles = json!({"key": key.as_str(), "operator": operator_role_word(route.need.operator_role())});
        operation.extensions.get_or_insert_default().insert("x-roles".to_owned(), roles);
    }
}

fn add_parameters(operation: &mut Operation, route: &Route) {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let parameters = operation.parameters.get_or_insert_default();
    let mut add = |name: &str, place: ParameterIn, detail: &str, schema: ObjectBuilder| {
        if parameters.iter().any(|p| matches!(p, RefOr::T(p) if p.name == name)) {
            return;
        }
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
        parameters.push(RefOr::T(parameter.description(Some(detail)).schema(Some(schema)).build()));
    };
    for name in route.query {
        match *name {
            "limit" => {
                let number = ObjectBuilder::new().schema_type(Type::Integer);
                let number = number.minimum(Some(1)).maximum(Some(200)).default(Some(50.into()));
                add("limit", ParameterIn::Query, "At most this many items", number);
            }
            "cursor" => add("cursor", ParameterIn::Query, "The next_cursor of the page before", text()),
            OTHERS => {}
            other => add(other, ParameterIn::Query, "", text()),
        }
    }
    if matches!(route.need, Need::Project { .. }) {
        let detail = "The project an operator means; `default` by default. Access keys have theirs.";
        add("X-Project", ParameterIn::Header, detail, text());
    }
}

fn add_problems(operation: &mut Operation, route: &Route) {
    let mut problems = Vec::new();
    let takes_body = operation.request_body.is_some();
    if route.need != Need::Nothing {
        problems.extend([("401", "The credentials are missing or wrong"), ("403", "The role is too low")]);
    }
    // An address is one thing that may not be there, though it is named in the query.
    let names_one = route.query.contains(&"address");
    if route.path.contains('{') || names_one || route.need == Need::Local {
        problems.push(("404", "There is no such thing in this project"));
    }
    if takes_body {
        problems.extend([
            ("400", "The body is not JSON"),
            ("413", "The body is larger than 4 MiB"),
            ("415", "The body has a Content-Encoding"),
        ]);
    }
    let refuses_parameters = !route.query.is_empty() && !route.query.contains(&OTHERS);
    if takes_body || refuses_parameters || route.path.contains('{') {
        problems.push(("422", "A field or a parameter is wrong; `errors` says which"));
    }
    if !matches!(route.method.as_str(), "GET") && route.need != Need::Nothing {
        problems.push(("409", "It cannot be done as things are; `code` says why"));
    }
    if route.limited() {
        problems.push(("429", "A limit of the project is reached; come again after Retry-After"));
    }
    problems.extend([
        ("500", "Something is wrong on our side"),
        ("503", "Not now; come again after Retry-After"),
    ]);
    for (status, detail) in problems {
        let response =
            ResponseBuilder::new().description(detail).content("application/problem+json", problem());
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(response.build()));
    }
}

fn problem() -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build()
}
