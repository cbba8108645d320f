//! People who are written to by name: contacts, groups of them, and what they do not want.
//!
//! Names are resolved when a message is accepted ([`resolve`]), so a message goes to whom it was meant for at that
//! time. Opt-outs are looked at then, and once more before what waited is pushed; quiet hours ([`quiet`]) travel with the
//! recipient and are kept to at every push.

pub mod check;
pub mod groups;
pub mod import;
pub mod quiet;
pub mod resolve;

pub use resolve::{Named, Suppressed};
