//! The thread that reads the meters.

use super::lines::Lines;
use super::{Latest, Telemetry};
use crate::routes::App;
use bytes::Bytes;
use phext_siw::telemetry::{Meter, Sample};
use serde::Serialize;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time between two samples.
const INTERVAL: Duration = Duration::from_millis(100);

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Sampler {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A line of the file.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// Milliseconds since 1970.
    time_ms: u64,
    #[serde(flatten)]
    sample: &'a Sample,
}

impl Sampler {
    /// Starts to sample. Lines go to `lines`, if there are to be any.
    pub(crate) fn start(app: Arc<App>, meter: Meter, lines: Option<Lines>) -> io::Result<Sampler> {
        if let Some(lines) = &lines {
            tracing::info!(path = %lines.path().display(), "metrics are written");
        }
        let (stop, stopped) = channel();
        let thread = thread::Builder::new()
            .name("sqd-telemetry".into())
            .spawn(move || run(app.telemetry(), meter, lines, &stopped))?;
        Ok(Sampler {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // The thread wakes because the other end of its channel is gone.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sampler of metrics panicked");
        }
    }
}

fn run(telemetry: &Telemetry, mut meter: Meter, mut lines: Option<Lines>, stopped: &Receiver<()>) {
    let mut next = Instant::now();
    loop {
        // Where a disk made the thread late, what was missed is one longer interval.
        next = (next + INTERVAL).max(Instant::now());
        let pause = next.saturating_duration_since(Instant::now());
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        sample(telemetry, &mut meter, lines.as_mut());
    }
}

/// Takes a sample, shows it and writes its line.
pub(super) fn sample(telemetry: &Telemetry, meter: &mut Meter, lines: Option<&mut Lines>) {
    let sample = meter.sample();
    let line = line(&sample);
    telemetry.publish(Latest {
        line: line.clone(),
        metrics: sample.metrics,
    });
    if let Some(lines) = lines {
        lines.append(&line);
    }
}

fn line(sample: &Sample) -> Bytes {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let line = Line {
        time_ms: now.map_or(0, |now| now.as_millis() as u64),
        sample,
    };
    let mut bytes = serde_json::to_vec(&line).expect("its keys are strings");
    bytes.push(b'\n');
    Bytes::from(bytes)
}
