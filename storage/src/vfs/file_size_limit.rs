//! Files that may not grow as far as is wanted: `ulimit -f`.
//!
//! A write beyond the limit raises SIGXFSZ, which ends the process without a word, unless the signal is
//! ignored: then the write fails, as one that finds no space does. A library must not take a signal from
//! its host, so that only a program that asks gets this.

use std::io;

/// Has writes beyond the limit for the size of files fail as on a full disk, from now on.
///
/// # Errors
/// Where the system refuses.
pub fn refuse_writes_beyond_file_size_limit() -> io::Result<()> {
    #[expect(unsafe_code, reason = "ignoring a signal; see docs/UNSAFE.md")]
    // SAFETY: no handler is installed, so that no code of ours runs at a signal.
    let outcome = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    match outcome {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
