//! The error of every harness: what was being done, and what stood in the way.

use std::fmt::Display;

/// A harness could not do its work. A *finding* about a server is not an error: findings are
/// counted and printed by the harness that made them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An operation of the operating system failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was attempted, with the path, port or process it was attempted on.
        doing: String,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A server process did not do what the harness needs to go on.
    #[error("{0}")]
    Server(String),
}

/// Adds to an [`std::io::Error`] what was being done.
pub trait Context<T> {
    /// Names the operation in the error; `doing` is evaluated on failure only.
    ///
    /// # Errors
    /// The original error, with the operation named.
    fn context<D: Display>(self, doing: impl FnOnce() -> D) -> Result<T, Error>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context<D: Display>(self, doing: impl FnOnce() -> D) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            doing: doing().to_string(),
            source,
        })
    }
}
