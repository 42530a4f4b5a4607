//! `sqd check`: progress on the standard error, what was found on the standard output.

use crate::command::{CommandError, follow, require_store};
use phext_storage::{CheckProgress, CheckReport, StoreError};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Checks a data directory and says what is damaged.
pub(crate) fn check(directory: &Path) -> Result<(), CommandError> {
    require_store(directory)?;
    let mut meter = Meter::start("checked");
    let report = match phext_storage::check(directory, |progress| meter.show(progress)) {
        Err(StoreError::Locked { .. }) => return check_in_use(directory, meter),
        report => report?,
    };
    meter.end();
    write_report(&report, &mut io::stdout().lock())?;
    match report.damages.len() {
        0 => Ok(()),
        places => Err(CommandError::Damaged { places }),
    }
}

/// Checks the segments of a directory that a server is using.
fn check_in_use(directory: &Path, mut meter: Meter) -> Result<(), CommandError> {
    let follower = follow(directory)?;
    let mut bytes = 0;
    let damages = follower.verify(|progress| {
        bytes = progress.done;
        meter.show(progress);
    });
    meter.end();
    if let Some(error) = damages.iter().find(|error| !error.is_damage()) {
        return Err(error.clone().into());
    }
    let mut out = io::stdout().lock();
    for damage in &damages {
        writeln!(out, "damaged: {damage}")?;
    }
    let snapshot = follower.snapshot();
    let phexts = snapshot.phexts().count();
    let scrolls: u64 = snapshot.phexts().map(|phext| phext.scrolls()).sum();
    writeln!(
        out,
        "{bytes} bytes in segments checked against their checksums: {phexts} phexts, {scrolls} \
         scrolls; a check while no server is using the directory looks further"
    )?;
    match damages.len() {
        0 => Ok(()),
        places => Err(CommandError::Damaged { places }),
    }
}

fn write_report(report: &CheckReport, out: &mut impl Write) -> io::Result<()> {
    for damage in &report.damages {
        writeln!(out, "damaged: {damage}")?;
    }
    if let Some((path, offset)) = &report.torn_tail {
        let path = path.display();
        writeln!(
            out,
            "{path} has a torn tail at byte {offset}: writes that were never acknowledged"
        )?;
    }
    for path in &report.unused {
        writeln!(
            out,
            "{} is named by nothing; the next start removes it",
            path.display()
        )?;
    }
    let CheckReport {
        segment_bytes,
        segments,
        log_bytes,
        log_records,
        phexts,
        scrolls,
        ..
    } = report;
    writeln!(
        out,
        "{segment_bytes} bytes in {segments} segments and {log_bytes} bytes of log checked: \
         {phexts} phexts, {scrolls} scrolls in segments, {log_records} records in the log"
    )
}

/// Says how far something is: on a terminal in a line that changes, else in a line every few
/// seconds.
#[derive(Debug)]
pub(crate) struct Meter {
    verb: &'static str,
    is_terminal: bool,
    told: Instant,
    has_line: bool,
}

impl Meter {
    const TERMINAL_PAUSE: Duration = Duration::from_millis(200);
    const LINE_PAUSE: Duration = Duration::from_secs(5);

    pub(crate) fn start(verb: &'static str) -> Meter {
        Meter {
            verb,
            is_terminal: io::stderr().is_terminal(),
            told: Instant::now(),
            has_line: false,
        }
    }

    pub(crate) fn show(&mut self, progress: CheckProgress) {
        let pause = match self.is_terminal {
            true => Self::TERMINAL_PAUSE,
            false => Self::LINE_PAUSE,
        };
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let CheckProgress { done, total } = progress;
        let percent = done * 100 / total.max(1);
        let line = format!("{} {done} of {total} bytes, {percent} %", self.verb);
        // What cannot be told does not stop the work.
        let _ = match self.is_terminal {
            true => write!(io::stderr(), "\r{line}\x1b[K"),
            false => writeln!(io::stderr(), "{line}"),
        };
        self.has_line = self.is_terminal;
    }

    /// Ends the line that changes.
    pub(crate) fn end(self) {
        if self.has_line {
            let _ = writeln!(io::stderr());
        }
    }
}
