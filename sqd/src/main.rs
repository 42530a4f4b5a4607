//! `sqd`: a durable phext server that speaks the HTTP API of SQ.
//!
//! | question | module |
//! |---|---|
//! | which commands and options are there? | [`cli`] |
//! | how is a question asked on the command line? | [`ask`] |
//! | is a data directory what was written? | [`check`] |
//! | what of a damaged one can be kept? | [`repair`] |
//! | how does the server start and stop? | [`serve`] |
//! | which route does what? | [`routes`] |
//! | how does a server look for damage while it runs? | [`scrub`] |
//! | what does it know of itself, and whom does it tell? | [`telemetry`] |
//! | who may, and which data do they see? | [`tenants`] |
//! | how are phext files read and written, and how far is it? | [`phext_file`], [`meter`] |
//! | where do a tenant's phexts live, and SQ's files? | [`library`] |
//! | how do commands reach a running server? | [`control`] |
//! | how are streams of instruction words written and run by hand? | [`siw`] |
//! | what is an order of scrolls worth? | [`lab`] |
//! | how do bytes on a socket become requests? | [`http`] |

mod ask;
mod check;
mod cli;
mod command;
mod control;
mod http;
mod lab;
mod library;
mod logging;
mod meter;
mod order;
mod phext_file;
mod repair;
mod routes;
mod scrub;
mod serve;
mod siw;
mod telemetry;
mod tenants;

use clap::Parser;
use phext_storage::vfs::{refuse_writes_beyond_file_size_limit, stop_cleanly_on_unreadable_maps};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    logging::start();
    if let Err(error) = stop_cleanly_on_unreadable_maps() {
        // The bare signal ends the process just as well.
        tracing::warn!(%error, "a mapped page that cannot be read will end sqd without a message");
    }
    if let Err(error) = refuse_writes_beyond_file_size_limit() {
        tracing::warn!(%error, "a limit for the size of files (`ulimit -f`) will end sqd without a message");
    }
    match command::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sqd: {error}");
            ExitCode::FAILURE
        }
    }
}
