//! Handlers of axum's that have every answer ready, or copy it out of one text: what a request costs
//! where only the server's machinery and the bytes on the wire are left.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use phext_tests::document;
use phext_tests::error::{Context, Error};
use serde::Deserialize;

use crate::dataset::Dataset;
use crate::workload;

/// Answers about phexts, by their names.
type Phexts = Arc<HashMap<&'static str, Prepared>>;

/// Serves what is read of some phexts until it is killed.
///
/// # Errors
/// Where the port is taken, or the system has no threads.
pub(crate) fn serve(port: u16, datasets: &[Dataset]) -> Result<(), Error> {
    let prepared = |dataset: &Dataset| (dataset.name, Prepared::new(dataset));
    let phexts: HashMap<_, _> = datasets.iter().map(prepared).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context(|| "starting the threads of the bare handler")?;
    let routes = Router::new()
        .route("/api/v2/version", get(async || "bare"))
        .route("/api/v2/select", get(select))
        .route("/api/v2/query", get(query))
        .route("/api/v2/toc", get(toc))
        .route("/api/v2/status", get(status))
        .route("/api/v2/checksum", get(checksum))
        .with_state(Arc::new(phexts));
    runtime
        .block_on(async {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let listener = listener.tap_io(|stream| {
                // Where it fails answers come later, which the figures show.
                let _ = stream.set_nodelay(true);
            });
            axum::serve(listener, routes).await
        })
        .context(|| format!("serving on port {port}"))
}

/// What is answered about one phext.
struct Prepared {
    scrolls: HashMap<String, Bytes>,
    /// All results of a query, in order, with commas behind them.
    results: String,
    /// Where the result of a coordinate is in there.
    places: HashMap<String, Range<usize>>,
    toc: Bytes,
    status: Bytes,
    checksum: Bytes,
}

impl Prepared {
    fn new(dataset: &Dataset) -> Prepared {
        let document = &dataset.document;
        let (mut results, mut places) = (String::new(), HashMap::new());
        for (at, text) in document.iter() {
            let start = results.len();
            results.push_str(&workload::result(at, text));
            places.insert(at.to_string(), start..results.len());
            results.push(',');
        }
        let scrolls = document.iter();
        Prepared {
            scrolls: scrolls
                .map(|(at, text)| (at.to_string(), Bytes::from(text.to_owned())))
                .collect(),
            results,
            places,
            toc: document.toc().into(),
            status: workload::status_text(dataset).into(),
            checksum: document::checksum(&document.render()).into(),
        }
    }

    fn range(&self, from: &str, to: &str) -> Option<String> {
        let (first, last) = (self.places.get(from)?, self.places.get(to)?);
        Some(format!("[{}]", self.results.get(first.start..last.end)?))
    }
}

#[derive(Deserialize)]
struct Select {
    p: String,
    c: String,
}

async fn select(State(phexts): State<Phexts>, Query(asked): Query<Select>) -> impl IntoResponse {
    let phext = phexts.get(asked.p.as_str());
    let scroll = phext.and_then(|phext| phext.scrolls.get(&asked.c));
    text(scroll.cloned())
}

#[derive(Deserialize)]
struct Results {
    p: String,
    from: String,
    to: String,
}

async fn query(State(phexts): State<Phexts>, Query(asked): Query<Results>) -> impl IntoResponse {
    let phext = phexts.get(asked.p.as_str());
    let results = phext.and_then(|phext| phext.range(&asked.from, &asked.to));
    let head = [(CONTENT_TYPE, "application/json")];
    (head, results.unwrap_or_default())
}

#[derive(Deserialize)]
struct Whole {
    p: String,
}

async fn toc(State(phexts): State<Phexts>, Query(asked): Query<Whole>) -> impl IntoResponse {
    text(phexts.get(asked.p.as_str()).map(|phext| phext.toc.clone()))
}

async fn status(State(phexts): State<Phexts>, Query(asked): Query<Whole>) -> impl IntoResponse {
    let phext = phexts.get(asked.p.as_str());
    text(phext.map(|phext| phext.status.clone()))
}

async fn checksum(State(phexts): State<Phexts>, Query(asked): Query<Whole>) -> impl IntoResponse {
    let phext = phexts.get(asked.p.as_str());
    text(phext.map(|phext| phext.checksum.clone()))
}

fn text(text: Option<Bytes>) -> impl IntoResponse {
    let head = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (head, text.unwrap_or_default())
}
