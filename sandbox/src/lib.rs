//! Fake platforms that enforce the real rules and keep an inbox.
