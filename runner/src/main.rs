//! The single binary.
fn main() {}
