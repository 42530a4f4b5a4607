//! What is asked, and what must be answered.

use phext_tests::coordinate::Coordinate;
use phext_tests::document;
use phext_tests::error::{Context, Error};
use phext_tests::http::{Client, Persistence, ResponseBody, Wire};
use phext_tests::random::{self, Random};
use rand::Rng;
use xxhash_rust::xxh3::xxh3_64;

use crate::dataset::{self, Dataset};

/// How many different requests a workload goes round.
const VARIANTS: usize = 256;

/// Scrolls in the answer to a range query.
const RANGE: usize = 100;

/// How clients hold their connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// Kept from request to request.
    Kept,
    /// One per request.
    PerRequest,
}

impl Connections {
    /// The same, of a client.
    pub(crate) fn persistence(self) -> Persistence {
        match self {
            Connections::Kept => Persistence::KeepAlive,
            Connections::PerRequest => Persistence::PerRequest,
        }
    }
}

/// A request and the hash of the body that answers it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    pub(crate) expected: u64,
}

/// One row of the table: an endpoint, a phext, and a number of clients.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) endpoint: &'static str,
    pub(crate) dataset: &'static str,
    pub(crate) scrolls: usize,
    /// Of the phext as it is exported.
    pub(crate) bytes: u64,
    pub(crate) clients: usize,
    /// How sqd's clients hold their connections; SQ's always make one per request.
    pub(crate) connections: Connections,
    pub(crate) exchanges: Vec<Exchange>,
}

impl Workload {
    /// Every workload on a phext; those on the same phext of a server are neighbours, because SQ
    /// loads a phext anew when another was asked for in between.
    pub(crate) fn all(dataset: &Dataset, seed: u64) -> Vec<Self> {
        let mut random = random::seeded(seed);
        let at: Vec<Coordinate> = dataset.document.iter().map(|(at, _)| *at).collect();
        let bytes = dataset.document.rendered_len();
        let mut workloads = Vec::new();
        let mut add = |endpoint, clients, connections, exchanges| {
            workloads.push(Self {
                endpoint,
                dataset: dataset.name,
                scrolls: at.len(),
                bytes,
                clients,
                connections,
                exchanges,
            });
        };
        add(
            "select",
            1,
            Connections::Kept,
            select(dataset, &at, &mut random),
        );
        add(
            "select",
            16,
            Connections::Kept,
            select(dataset, &at, &mut random),
        );
        add(
            "select",
            1,
            Connections::PerRequest,
            select(dataset, &at, &mut random),
        );
        add(
            "query",
            1,
            Connections::Kept,
            query(dataset, &at, &mut random),
        );
        add("toc", 1, Connections::Kept, vec![toc(dataset)]);
        add("status", 1, Connections::Kept, vec![status(dataset)]);
        add("checksum", 1, Connections::Kept, vec![checksum(dataset)]);
        add(
            "update",
            1,
            Connections::Kept,
            update(dataset, &at, &mut random),
        );
        add(
            "update",
            16,
            Connections::Kept,
            update(dataset, &at, &mut random),
        );
        workloads
    }

    /// What the row promises on the medium.
    pub(crate) fn durability(&self) -> &'static str {
        if self.endpoint == "update" {
            "SQ: not durable; sqd: fdatasync before the answer"
        } else {
            "a read"
        }
    }

    /// Sends a request, and compares the answer with the expected one.
    ///
    /// # Errors
    /// Where the server does not answer, or answers wrongly.
    pub(crate) fn exchange(&self, client: &mut Client, exchange: &Exchange) -> Result<(), Error> {
        let sent = client.send(&exchange.request);
        sent.context(|| self.place())?;
        self.receive(client, exchange)
    }

    /// Receives the answer to a request that was sent.
    ///
    /// # Errors
    /// As [`Workload::exchange`].
    pub(crate) fn receive(&self, client: &mut Client, exchange: &Exchange) -> Result<(), Error> {
        let answer = client.receive(ResponseBody::Present);
        let answer = answer.context(|| self.place())?;
        if answer.status == 200 && judged(self.endpoint, &answer.body) == exchange.expected {
            return Ok(());
        }
        let start: String = answer.text().chars().take(200).collect();
        Err(Error::Server(format!(
            "{}: a wrong answer, status {}, {} bytes: {start}",
            self.place(),
            answer.status,
            answer.body.len()
        )))
    }

    /// For messages.
    pub(crate) fn place(&self) -> String {
        format!("{} on {}", self.endpoint, self.dataset)
    }
}

/// The hash by which an answer is judged. In a status the connection number does not count.
fn judged(endpoint: &str, body: &[u8]) -> u64 {
    if endpoint != "status" {
        return xxh3_64(body);
    }
    let text = String::from_utf8_lossy(body);
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("Connection ID: "));
    xxh3_64(lines.collect::<Vec<_>>().join("\n").as_bytes())
}

fn get(route: &str, query: String, expected: &[u8]) -> Exchange {
    let request = Wire::new("GET", format!("/api/v2/{route}"))
        .query(query)
        .to_bytes();
    Exchange {
        request,
        expected: judged(route, expected),
    }
}

fn select(dataset: &Dataset, at: &[Coordinate], random: &mut Random) -> Vec<Exchange> {
    (0..VARIANTS)
        .map(|_| {
            let at = at[random.random_range(0..at.len())];
            let query = format!("p={}&c={at}", dataset.name);
            get("select", query, dataset.document.get(&at).as_bytes())
        })
        .collect()
}

fn query(dataset: &Dataset, at: &[Coordinate], random: &mut Random) -> Vec<Exchange> {
    (0..VARIANTS)
        .map(|_| {
            let first = random.random_range(0..=at.len() - RANGE);
            let (from, to) = (at[first], at[first + RANGE - 1]);
            let results: Vec<String> = at[first..first + RANGE]
                .iter()
                .map(|at| result(at, dataset.document.get(at)))
                .collect();
            let query = format!("p={}&from={from}&to={to}", dataset.name);
            get(
                "query",
                query,
                format!("[{}]", results.join(",")).as_bytes(),
            )
        })
        .collect()
}

/// One result of a query.
pub(crate) fn result(at: &Coordinate, text: &str) -> String {
    let scroll = serde_json::Value::from(text);
    format!("{{\"coordinate\":\"{at}\",\"scroll\":{scroll}}}")
}

fn toc(dataset: &Dataset) -> Exchange {
    get(
        "toc",
        format!("p={}", dataset.name),
        dataset.document.toc().as_bytes(),
    )
}

fn status(dataset: &Dataset) -> Exchange {
    let expected = status_text(dataset);
    get("status", format!("p={}", dataset.name), expected.as_bytes())
}

/// A status, without the connection number.
pub(crate) fn status_text(dataset: &Dataset) -> String {
    let (name, document) = (dataset.name, &dataset.document);
    let (size, scrolls) = (document.rendered_len(), document.len());
    format!("Hosting: {name}.phext\nPhext Size: {size}\nScrolls: {scrolls}")
}

fn checksum(dataset: &Dataset) -> Exchange {
    let expected = document::checksum(&dataset.document.render());
    get(
        "checksum",
        format!("p={}", dataset.name),
        expected.as_bytes(),
    )
}

fn update(dataset: &Dataset, at: &[Coordinate], random: &mut Random) -> Vec<Exchange> {
    (0..VARIANTS)
        .map(|_| {
            let at = at[random.random_range(0..at.len())];
            let text = dataset::text(random);
            let expected = format!("Updated {} bytes", text.len());
            let request = Wire::new("POST", "/api/v2/update")
                .query(format!("p={}&c={at}", dataset.copy_name()))
                .body(text)
                .to_bytes();
            Exchange {
                request,
                expected: judged("update", expected.as_bytes()),
            }
        })
        .collect()
}
