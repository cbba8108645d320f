//! The arguments of filters, bound as Python binds them: by place or by name.

use minijinja::value::{Kwargs, Rest, StringInput, Value, ValueOrKwargs, from_args};
use minijinja::{Error, ErrorKind, State};

/// What a filter takes after its value.
pub(super) type Given = Rest<ValueOrKwargs>;

/// Arguments that were given, each under its place in the list of names.
pub(super) struct Arguments {
    names: &'static [&'static str],
    values: Vec<Option<Value>>,
}

impl Arguments {
    /// Binds what was given; more of it, or other names, are refused.
    pub(super) fn bind(
        state: &State<'_, '_>,
        names: &'static [&'static str],
        given: Given,
    ) -> Result<Self, Error> {
        let given = given.into_values();
        let (by_place, by_name): (&[Value], Kwargs) = from_args(&given)?;
        if by_place.len() > names.len() {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        let mut values = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let named: Option<Value> = by_name.get(name)?;
            let value = by_place.get(i).cloned().or(named);
            if let Some(value) = value.as_ref().filter(|v| v.is_undefined()) {
                StringInput::new(state, value)?;
            }
            values.push(value);
        }
        by_name.assert_all_used()?;
        Ok(Self { names, values })
    }

    /// The argument at a place, unless it is left out or `none`.
    pub(super) fn get(&self, at: usize) -> Option<&Value> {
        self.values.get(at)?.as_ref().filter(|value| !value.is_none())
    }

    /// The same, for keeping.
    pub(super) fn value(&self, at: usize) -> Option<Value> {
        self.values.get(at)?.clone()
    }

    /// All that was given, by name.
    pub(super) fn named(self) -> Kwargs {
        self.names.iter().zip(self.values).filter_map(|(name, value)| Some((*name, value?))).collect()
    }

    /// A truth.
    pub(super) fn flag(&self, at: usize, default: bool) -> bool {
        self.get(at).map_or(default, Value::is_true)
    }

    /// A text.
    pub(super) fn text<'a>(&'a self, at: usize, default: &'a str) -> Result<&'a str, Error> {
        match self.get(at) {
            None => Ok(default),
            Some(value) => value.as_str().ok_or_else(|| self.wrong(at, "a text")),
        }
    }

    /// A count, not more than anything in a template can be long.
    pub(super) fn count(&self, at: usize, default: usize) -> Result<usize, Error> {
        const MOST: usize = 1 << 22;
        match self.get(at) {
            None => Ok(default),
            Some(value) => {
                let count = value.as_usize().filter(|count| *count <= MOST);
                count.ok_or_else(|| self.wrong(at, "a whole number from 0 to 4194304"))
            }
        }
    }

    /// An argument that cannot be what it must be.
    pub(super) fn wrong(&self, at: usize, must_be: &str) -> Error {
        let name = self.names.get(at).copied().unwrap_or_default();
        invalid(format!("{name} must be {must_be}"))
    }
}

/// A value or an argument that a filter cannot work with.
pub(super) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}
