//! A handler of axum's that does nothing but find the bytes in a map and return them: what a
//! request costs where only the server's machinery is left.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::ListenerExt;
use phext_tests::error::{Context, Error};
use serde::Deserialize;

use crate::dataset::Dataset;

/// Scrolls by coordinate, by phext.
type Phexts = HashMap<&'static str, HashMap<String, Bytes>>;

/// Serves the scrolls of some phexts until it is killed.
///
/// # Errors
/// Where the port is taken, or the system has no threads.
pub(crate) fn serve(port: u16, datasets: &[Dataset]) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context(|| "starting the threads of the bare handler")?;
    let routes = Router::new()
        .route("/api/v2/version", get(async || "bare"))
        .route("/api/v2/select", get(select))
        .with_state(Arc::new(phexts(datasets)));
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

fn phexts(datasets: &[Dataset]) -> Phexts {
    let scrolls = |dataset: &Dataset| {
        let scrolls = dataset.document.iter();
        scrolls
            .map(|(at, text)| (at.to_string(), Bytes::from(text.to_owned())))
            .collect()
    };
    datasets
        .iter()
        .map(|dataset| (dataset.name, scrolls(dataset)))
        .collect()
}

#[derive(Deserialize)]
struct Select {
    p: String,
    c: String,
}

async fn select(
    State(phexts): State<Arc<Phexts>>,
    Query(Select { p, c }): Query<Select>,
) -> impl IntoResponse {
    let scroll = phexts.get(p.as_str()).and_then(|phext| phext.get(&c));
    let head = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (head, scroll.cloned().unwrap_or_default())
}
