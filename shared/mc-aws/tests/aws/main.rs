//! The adapters against a local AWS. `make test-aws` starts it and names it in the environment; without it these tests
//! fail and say so.

mod behaviour;
mod files;
mod mail;
mod proxy;
mod rig;
mod secrets;
mod throttling;
