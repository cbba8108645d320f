//! Null in the place of a field that may be left out.

use serde::{Deserialize, Deserializer};

/// Reads a field that has a default; null stands for it, as if the field had been left out.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use crate::model::{Condition, Format, InlineContent, Mode, OnError, Routing};

    #[test]
    fn null_is_a_field_that_was_left_out() {
        let content = r#"{"title": null, "body": "b", "format": null, "facts": null, "buttons": null}"#;
        let content: InlineContent = serde_json::from_str(content).unwrap();
        assert_eq!((content.title.as_str(), content.format), ("", Format::Text));
        let routing: Routing = serde_json::from_str(r#"{"mode": null, "channels": ["im"]}"#).unwrap();
        assert_eq!(routing.mode, Mode::All);
        let condition = r#"{"url": "https://example.com", "method": null, "on_error": null}"#;
        let condition: Condition = serde_json::from_str(condition).unwrap();
        assert_eq!(condition.on_error, OnError::Send);
        assert!(serde_json::from_str::<InlineContent>(r#"{"body": null}"#).is_err(), "this one is needed");
    }
}
