//! Places in a share as text: `0-99,101`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Places in a share, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units(Vec<usize>);

impl Units {
    /// These places, in whatever order they come.
    pub fn new(mut units: Vec<usize>) -> Self {
        units.sort_unstable();
        units.dedup();
        Self(units)
    }

    /// The places.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().copied()
    }

    /// Runs of neighbours as `first-last`, others by themselves.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let mut rest = self.0.as_slice();
        while let Some(first) = rest.first() {
            let run = rest.iter().zip(*first..).take_while(|(unit, n)| **unit == *n).count();
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&first.to_string());
            if run > 1 {
                text.push('-');
                text.push_str(&(first + run - 1).to_string());
            }
            rest = &rest[run..];
        }
        text
    }

    /// Reads what `encode` wrote; `None` if it is something else.
    pub fn decode(text: &str) -> Option<Self> {
        let mut units = Vec::new();
        for run in text.split(',').filter(|run| !run.is_empty()) {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            if last.checked_sub(first)? >= crate::accept::plan::MAX_RECIPIENTS {
                return None;
            }
            units.extend(first..=last);
        }
        Some(Self::new(units))
    }
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::decode(&text).ok_or_else(|| serde::de::Error::custom("not places in a share"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_storage() {
        for (units, text) in
            [(vec![], ""), (vec![7], "7"), (vec![2, 0, 1], "0-2"), (vec![0, 1, 3, 5, 6, 6], "0-1,3,5-6")]
        {
            let units = Units::new(units);
            assert_eq!(units.encode(), text);
            assert_eq!(Units::decode(text), Some(units));
        }
        for bad in ["x", "3-1", "1-", "0-4000000000"] {
            assert_eq!(Units::decode(bad), None, "{bad}");
        }
    }
}
