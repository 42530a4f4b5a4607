//! What a log waits for beside bulk writing, without a store: what the medium does by itself.
//!
//! | thread | writes | as |
//! |---|---|---|
//! | bare log | a commit group after the other into a file used again and again, each synced | the log |
//! | bare writer | files of 56 MiB at a steady rate, synced every 8 MiB, the oldest removed | sealing and merging |
//! | bare file | a block every few milliseconds, synced | the same beside the store |
//!
//! There is no format, no memory table, no reading, and no more than one thread for each.

use crate::bare::{BareFile, Syncs};
use crate::bulk::BulkWriter;
use crate::waits::report;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Of the bare log's file; about what a store's log takes between two seals.
const LOG_BYTES: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Alone {
    /// How long to sync a bare log beside a bare writer, before there is a store.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) alone: u64,
    /// Bytes a second of the bare writer, which takes up to 470 MB; 0 is none. A soak prints what a store wrote
    /// to segments.
    #[arg(long, default_value_t = 30_000_000)]
    alone_bytes_per_second: u64,
    /// Bytes that the bare log writes for each sync, as a group of commits does: with 32 writers it was
    /// seen to have 16 commits on average.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    alone_group_bytes: u32,
    /// Microseconds, and the system's delay, between syncs of the bare log; 0 is as fast as it can.
    #[arg(long, default_value_t = 0)]
    alone_pause_us: u64,
}

/// What the threads did.
struct Done {
    log: Syncs,
    bare: Syncs,
    written_bytes: u64,
    took: Duration,
}

impl Alone {
    /// Writes to a directory in `parent`, which is gone at the end, and prints what was seen.
    pub(crate) fn run(&self, parent: &Path) -> io::Result<()> {
        if self.alone == 0 {
            return Ok(());
        }
        let directory = tempfile::tempdir_in(parent)?;
        let done = self.write(directory.path())?;
        let seconds = done.took.as_secs_f64();
        println!(
            "without a store, {seconds:.0} s: a bare log of {:.1} MB/s beside a bare writer of {:.1} MB/s",
            f64::from(self.alone_group_bytes) * done.log.count() as f64 / seconds / 1e6,
            done.written_bytes as f64 / seconds / 1e6,
        );
        println!(
            "the bare log: {:.0} syncs a second of {} bytes: {}",
            done.log.count() as f64 / seconds,
            self.alone_group_bytes,
            done.log.summary()
        );
        println!("{}", report("syncs", done.log.stalls(), &done.bare.waits));
        println!("{}", done.bare.watched());
        Ok(())
    }

    fn write(&self, directory: &Path) -> io::Result<Done> {
        let log = BareFile::create(
            &directory.join("log"),
            LOG_BYTES,
            self.alone_group_bytes as usize,
        )?;
        let bare = BareFile::watching(directory)?;
        let mut bulk = BulkWriter::new(directory, self.alone_bytes_per_second);
        let pause = Duration::from_micros(self.alone_pause_us);
        let is_over = AtomicBool::new(false);
        let start = Instant::now();
        let ((log, written), bare) = bare.watch_during(start, || {
            thread::scope(|scope| {
                let log = scope.spawn(|| log.sync_until(&is_over, start, pause));
                let written = scope.spawn(|| bulk.write_until(&is_over));
                thread::sleep(Duration::from_secs(self.alone));
                is_over.store(true, Ordering::Relaxed);
                let log = log.join().expect("the thread does not panic");
                (log, written.join().expect("the thread does not panic"))
            })
        });
        Ok(Done {
            log: log?,
            bare: bare?,
            written_bytes: written?,
            took: start.elapsed(),
        })
    }
}
