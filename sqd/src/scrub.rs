//! The scrub of a server: one thread that paces a slow pass over the segments of every library.
//!
//! A pass is spread over its period: each step reads little, and is due when that share of the
//! period is over. A server that was off for a while catches up, at a bounded rate.

use crate::library::Library;
use crate::routes::App;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes read in a step.
const STEP_BYTES: u64 = 1 << 20;
/// The least time between two steps: with [`STEP_BYTES`], 20 MiB a second.
const STEP_PAUSE: Duration = Duration::from_millis(50);
/// The most time between two looks at what is due: libraries and segments come and go.
const LOOK_PAUSE: Duration = Duration::from_secs(60);

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Scrubber {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scrubber {
    /// Starts a scrub whose passes take `days`; 0 is none.
    pub(crate) fn start(app: Arc<App>, days: u32) -> std::io::Result<Scrubber> {
        if days == 0 {
            return Ok(Scrubber {
                stop: None,
                thread: None,
            });
        }
        let period_ms = u64::from(days) * 24 * 60 * 60 * 1000;
        let (stop, stopped) = channel();
        let thread = thread::Builder::new()
            .name("sqd-scrub".into())
            .spawn(move || run(&app, period_ms, &stopped))?;
        Ok(Scrubber {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        // The thread wakes because the other end of its channel is gone.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the scrub panicked");
        }
    }
}

fn run(app: &App, period_ms: u64, stopped: &Receiver<()>) {
    let mut pause = STEP_PAUSE;
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let libraries = app.libraries();
        let dues = libraries.iter().map(|library| step(library, period_ms));
        pause = dues
            .min()
            .unwrap_or(LOOK_PAUSE)
            .clamp(STEP_PAUSE, LOOK_PAUSE);
    }
}

/// Does a step where one is due. Gives the time until the next.
fn step(library: &Library, period_ms: u64) -> Duration {
    let now_ms = now_ms();
    let store = library.store();
    if store.scrub_due_ms(period_ms) <= now_ms {
        match store.scrub_step(STEP_BYTES, now_ms) {
            Ok(step) if step.is_pass_complete => {
                let damaged_chunks = store.statistics().damaged_chunks;
                tracing::info!(damaged_chunks, "the scrub ended a pass");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the scrub's position was not stored");
                return LOOK_PAUSE;
            }
        }
    }
    Duration::from_millis(store.scrub_due_ms(period_ms).saturating_sub(now_ms))
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}
