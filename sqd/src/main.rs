//! sqd server.

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the routes that use it are not there yet"
    )
)]
mod http;

fn main() {}
