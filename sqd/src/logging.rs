//! Structured logs on the standard error: text on a terminal, a JSON object a line otherwise.
//!
//! `SQD_LOG` sets what is logged, as `tracing-subscriber` filters are written; the default is `info`.

use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts logging. Later calls change nothing.
pub(crate) fn start() {
    // sled tells at info level what only its authors want to know.
    let default = || EnvFilter::new("info,sled=warn");
    let filter = EnvFilter::try_from_env("SQD_LOG").unwrap_or_else(|_| default());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = if io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    drop(started);
}
