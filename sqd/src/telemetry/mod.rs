//! What a server knows of itself while it runs, and whom it tells.
//!
//! | question | module |
//! |---|---|
//! | Which options are there? | [`options`] |
//! | Who reads the meters every 100 ms? | [`sampler`] |
//! | How are lines kept in files of bounded size? | [`lines`] |
//! | What is counted of requests? | [`requests`] |
//! | How does Prometheus see all of it? | [`mod@exposition`] |
//!
//! The routes are in `routes::telemetry`, the metrics of streams in `phext_siw::telemetry`.

mod exposition;
mod lines;
mod options;
mod requests;
mod sampler;
#[cfg(test)]
mod tests;

pub(crate) use exposition::{CONTENT_TYPE, exposition};
pub(crate) use options::TelemetryArgs;
pub(crate) use requests::Requests;
pub(crate) use sampler::Sampler;

use bytes::Bytes;
use phext_siw::telemetry::VTPUMetrics;
use std::sync::{Arc, Mutex, PoisonError};

/// What there is to tell.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    latest: Mutex<Option<Arc<Latest>>>,
    pub(crate) requests: Requests,
}

/// The last sample.
#[derive(Debug)]
pub(crate) struct Latest {
    /// As a line of JSON, with its end.
    pub(crate) line: Bytes,
    pub(crate) metrics: VTPUMetrics,
}

impl Telemetry {
    /// The last sample; none in the first moment of a server.
    pub(crate) fn latest(&self) -> Option<Arc<Latest>> {
        self.lock().clone()
    }

    fn publish(&self, latest: Latest) {
        *self.lock() = Some(Arc::new(latest));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Latest>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
