//! Commands for a store, run here or by the server that has it.
//!
//! ```text
//! sqd COMMAND -> opens the store            -> runs it
//!             -> it is in use: control.sock -> the server runs it, lines come back
//! ```
//!
//! A request is one line. The answer is lines, and last `ok`, or `error` and a sentence. The socket
//! lies in the data directory and belongs to the user who runs the server (mode 0600): who may open
//! it may read and write the files anyway, so there is no token.

mod request;
mod socket;

pub(crate) use request::Request;
pub(crate) use socket::{Control, ask};

use crate::cli::DataArgs;
use crate::command::{CommandError, follow, require_store};
use phext_storage::{Options, Store, StoreError};
use std::io::{self, Write};

/// The socket's name in a data directory.
const SOCKET_FILE: &str = "control.sock";

/// Runs a request on a data directory, whoever has it.
pub(crate) fn run(request: &Request, data: &DataArgs) -> Result<(), CommandError> {
    require_store(&data.data_dir)?;
    let mut out = io::stdout().lock();
    match Store::open(&data.data_dir, Options::default()) {
        Ok(store) => {
            let mut lines = request.run(&store)?;
            if let Request::Order { phext, order } = request
                && order.is_some()
            {
                // Nobody else would rewrite what is left.
                store.merge()?;
                let (phext, order) = (phext.clone(), None);
                lines = Request::Order { phext, order }.run(&store)?;
            }
            for line in lines {
                writeln!(out, "{line}")?;
            }
        }
        Err(StoreError::Locked { .. }) => {
            let answer = ask(&data.data_dir, request);
            let answer = answer.map_err(|source| CommandError::Unreachable {
                directory: data.data_dir.clone(),
                source,
            })?;
            for line in answer.map_err(|said| CommandError::Server { said })? {
                writeln!(out, "{line}")?;
            }
        }
        Err(error @ StoreError::ReadOnlyMedium { .. }) => {
            let lines = request.read(&follow(&data.data_dir)?);
            for line in lines.unwrap_or(Err(error))? {
                writeln!(out, "{line}")?;
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
