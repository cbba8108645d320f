//! Templates that a platform keeps itself, and that its messages must be written in.

use async_trait::async_trait;
use serde::Serialize;

use super::channel::SendError;

/// A place in a platform's template that a message fills.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Keyword {
    /// What the platform calls it: `thing1`.
    pub name: String,
    /// What the reader sees in front of it: `商品`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The longest value in characters, if the platform says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest: Option<usize>,
    /// The only values it takes, if it takes not any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// A template of an account on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformTemplate {
    /// The platform's id of it, for the setting `platform_template_id`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its text with the keywords, as the platform writes it.
    pub content: String,
    /// The places to fill, in order.
    pub keywords: Vec<Keyword>,
}

/// A channel whose messages are written in templates that the platform keeps.
#[async_trait]
pub trait PlatformTemplates: Send + Sync {
    /// The account's templates as the platform has them now.
    ///
    /// # Behavior
    /// - One call to the platform, besides one for a token.
    async fn platform_templates(&self) -> Result<Vec<PlatformTemplate>, SendError>;
}
