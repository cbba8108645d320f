//! Finding people on a platform by what is known of them elsewhere.

use async_trait::async_trait;

use super::channel::SendError;
use crate::model::AddressKind;

/// A channel whose platform knows people by their mobile number. Its
/// [`Capability::addresses`](super::Capability::addresses) then end with [`AddressKind::Mobile`].
#[async_trait]
pub trait Lookups: Send + Sync {
    /// The kind of address that is found.
    fn finds(&self) -> AddressKind;

    /// The platform's id of whoever has this number; `None` if it knows nobody.
    ///
    /// # Behavior
    /// - What was found is kept for a day and for all processes, that nobody was found for ten minutes; who asks in
    ///   between asks nobody.
    /// - A number is the same with and without the mainland's code in front.
    /// - Nothing was pushed, so a failure is never doubt.
    async fn by_mobile(&self, mobile: &str) -> Result<Option<String>, SendError>;
}
