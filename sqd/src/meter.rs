//! A line on the terminal that says how far an import is.

use crate::phext_file::Progress;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two updates of the line.
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows progress where the standard error is a terminal; measures the time in any case.
pub(crate) struct Meter {
    path: PathBuf,
    start: Instant,
    next: Instant,
    is_terminal: bool,
}

impl Meter {
    /// Starts the clock of an import of `path`.
    pub(crate) fn new(path: &Path) -> Meter {
        let start = Instant::now();
        Meter {
            path: path.to_path_buf(),
            start,
            next: start + INTERVAL,
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Shows how far the import is, unless that was shown a moment ago.
    pub(crate) fn show(&mut self, progress: Progress) {
        let now = Instant::now();
        if self.is_terminal && now >= self.next {
            self.next = now + INTERVAL;
            let line = line(progress, self.seconds());
            // An import does not fail because nobody sees how far it is.
            let _ = write!(io::stderr(), "\r{}: {line}\x1b[K", self.path.display());
        }
    }

    /// Clears the line.
    pub(crate) fn clear(&self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

fn line(progress: Progress, seconds: f64) -> String {
    let Progress {
        bytes,
        total_bytes,
        scrolls,
    } = progress;
    let percent = bytes * 100 / total_bytes.max(1);
    let rate = bytes as f64 / 1e6 / seconds.max(1e-9);
    format!("{percent} %, {bytes} of {total_bytes} bytes, {scrolls} scrolls, {rate:.0} MB/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let progress = Progress {
            bytes: 50_000_000,
            total_bytes: 200_000_000,
            scrolls: 7,
        };
        assert_eq!(
            line(progress, 0.5),
            "25 %, 50000000 of 200000000 bytes, 7 scrolls, 100 MB/s"
        );
    }
}
