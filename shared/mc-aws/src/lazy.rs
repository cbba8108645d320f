//! Clients that are built when they are first used.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// A value built at its first use. Clones share it.
pub(crate) struct Lazy<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    value: OnceLock<T>,
    build: Box<dyn Fn() -> T + Send + Sync>,
}

impl<T> Lazy<T> {
    pub(crate) fn new(build: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared { value: OnceLock::new(), build: Box::new(build) }) }
    }

    pub(crate) fn get(&self) -> &T {
        self.shared.value.get_or_init(|| (self.shared.build)())
    }
}

impl<T> Clone for Lazy<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazy")
    }
}
