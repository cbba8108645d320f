//! A mail looks the same whatever carries it.

pub(super) use crate::mail::{render, surely};
