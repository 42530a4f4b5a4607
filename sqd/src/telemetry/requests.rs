//! What is counted of requests.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Requests by route and status, and how long their handlers took. Routes are those that there are,
/// so that no client can make the server keep a count of whatever it asks for.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    answered: Family<Answered, Counter>,
    seconds: Family<Asked, Histogram>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    route: &'static str,
}

/// Where buckets end, in seconds.
const BUCKETS: [f64; 13] = [
    1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0,
];

fn buckets() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Default for Requests {
    fn default() -> Requests {
        Requests {
            answered: Family::default(),
            seconds: Family::new_with_constructor(buckets),
        }
    }
}

impl Requests {
    /// Counts an answer and the time from the request's end to it. A body that is streamed is not
    /// over then.
    pub(crate) fn count(&self, route: &'static str, status: u16, took: Duration) {
        self.answered
            .get_or_create(&Answered { route, status })
            .inc();
        let seconds = self.seconds.get_or_create(&Asked { route });
        seconds.observe(took.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "sqd_requests",
            "Requests answered, by route and status",
            self.answered.clone(),
        );
        registry.register(
            "sqd_request_seconds",
            "Time of handlers from a request's end to the head of its answer, by route",
            self.seconds.clone(),
        );
    }
}
