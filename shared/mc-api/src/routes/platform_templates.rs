//! Templates that the platform of a channel keeps, for choosing one and filling its keywords.

use http::StatusCode;
use mc_core::ports::PlatformTemplate;
use mc_pipeline::repo::{Broken, Stored};
use utoipa::ToSchema;

use crate::answer::{Answer, Page, ok};
use crate::call::Call;
use crate::problem::{ApiError, Problem};

/// A template of the account on its platform.
#[derive(ToSchema)]
#[schema(as = PlatformTemplate)]
#[expect(dead_code, reason = "describes mc_core's PlatformTemplate, which knows nothing of OpenAPI")]
pub(crate) struct PlatformTemplateView {
    /// The platform's id of it, for the setting `platform_template_id`.
    id: String,
    /// Its title.
    title: String,
    /// Its text with the keywords, as the platform writes it.
    content: String,
    /// The places to fill, in order.
    keywords: Vec<KeywordView>,
}

/// A place in a platform's template that a message fills.
#[derive(ToSchema)]
#[schema(as = PlatformKeyword)]
#[expect(dead_code, reason = "describes mc_core's Keyword, which knows nothing of OpenAPI")]
pub(crate) struct KeywordView {
    /// What the platform calls it; the right side of the setting `fields`.
    name: String,
    /// What the reader sees in front of it.
    #[schema(nullable = false)]
    label: Option<String>,
    /// The longest value in characters, if the platform says.
    #[schema(nullable = false)]
    longest: Option<usize>,
    /// The only values it takes, if it takes not any.
    #[schema(nullable = false)]
    values: Option<Vec<String>>,
}

/// List the templates that the platform keeps for a channel's account
///
/// Asks the platform. The channel needs no more than its credentials for it, so `platform_template_id` and `fields`
/// can be chosen from what is answered here.
#[utoipa::path(
    get, path = "/v1/channels/{name}/platform-templates", tag = "channels",
    operation_id = "list_platform_templates",
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "The account's templates", body = Page<PlatformTemplateView>),
        (status = 409, description = "Its messages are not written in templates of its platform, or it has to be put anew",
            body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The platform does not answer, or refuses",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(call: Call) -> Answer {
    let name = call.name("name", "channel")?;
    let entry = match call.center().channels.find(call.project(), name).await? {
        Stored::Live(entry) => entry,
        Stored::Broken(broken) => return Err(ApiError::conflict(Broken::CODE, broken.text())),
        Stored::Missing => return Err(ApiError::not_found("channel")),
    };
    let Some(source) = entry.channel.platform_templates() else {
        let kind = entry.doc.kind.as_str();
        let detail = format!("messages of {kind} are not written in templates of the platform");
        return Err(ApiError::conflict("not_supported", detail));
    };
    let items: Vec<PlatformTemplate> = source.platform_templates().await.map_err(|error| {
        let detail = format!("the platform does not list its templates: {error}; check the channel");
        ApiError::new(StatusCode::BAD_GATEWAY, "platform_error", detail)
    })?;
    ok(&Page { items, next_cursor: None })
}
