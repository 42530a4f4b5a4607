//! sqd server.
fn main() {}
