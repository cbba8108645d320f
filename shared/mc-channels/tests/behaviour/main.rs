//! Every kind of channel against its counterpart in the sandbox.

mod fakes;
mod silence;
mod suite;
mod webhook;
mod world;
