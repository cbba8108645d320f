//! Ending a test with what went wrong.

use std::fmt::Debug;

/// What a suite expects to succeed.
pub trait Must<T> {
    /// The value, or the end of the test at the caller's line.
    fn must(self) -> T;
}

impl<T, E: Debug> Must<T> for Result<T, E> {
    #[track_caller]
    fn must(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("this has to succeed, but: {error:?}"),
        }
    }
}

impl<T> Must<T> for Option<T> {
    #[track_caller]
    fn must(self) -> T {
        match self {
            Some(value) => value,
            None => panic!("there has to be something here"),
        }
    }
}
