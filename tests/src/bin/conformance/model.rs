//! What sqd must answer, computed from the design: one ordered map per phext.
//!
//! Beside the phexts the model follows the two things in which SQ's memory differs from them:
//! which phext SQ has loaded, and which empty scrolls it holds there until it loads another.

use std::collections::{BTreeMap, BTreeSet};

use phext_tests::coordinate::Coordinate;
use phext_tests::document::{self, Document};

use crate::request::{Action, QueryParameters, Request};

/// What sqd must answer.
#[derive(Debug, Clone)]
pub(crate) enum Prediction {
    /// The model does not know; SQ's answer stands.
    AsSq,
    /// This status and this body; in a status body `#` stands for the connection number.
    Exact { status: u16, body: Vec<u8> },
    /// This status, and a body that names these things.
    Refused { status: u16, naming: Vec<String> },
    /// A JSON export of these scrolls in this order.
    Json(Vec<(String, String)>),
    /// A JSON array of names: all of the first, none outside the second.
    Names {
        required: BTreeSet<String>,
        allowed: BTreeSet<String>,
    },
}

/// Both servers' data, as the requests so far must have left it.
#[derive(Debug, Default)]
pub(crate) struct Model {
    phexts: BTreeMap<String, Document>,
    sq_loaded: Option<String>,
    sq_empties: BTreeSet<Coordinate>,
}

impl Model {
    /// The phext of this name, where something was written to it.
    pub(crate) fn phext(&self, name: &str) -> Option<&Document> {
        self.phexts.get(name)
    }

    /// Whether SQ holds an empty scroll of the phext it has loaded.
    pub(crate) fn sq_holds_empties(&self) -> bool {
        !self.sq_empties.is_empty()
    }

    /// Follows SQ, which has handled a request: it loads the phext where another was loaded, and
    /// an empty file gives it one empty scroll at the origin.
    pub(crate) fn sq_handled(&mut self, request: &Request) {
        let reloads = matches!(request.action, Action::Load | Action::JsonExport);
        if reloads || self.sq_loaded.as_deref() != Some(&request.phext) {
            self.sq_empties.clear();
            if self
                .phexts
                .get(&request.phext)
                .is_none_or(Document::is_empty)
            {
                self.sq_empties.insert(Coordinate::ORIGIN);
            }
            self.sq_loaded = Some(request.phext.clone());
        }
    }

    /// Forgets what SQ had in memory: it was started again.
    pub(crate) fn sq_restarted(&mut self) {
        self.sq_loaded = None;
        self.sq_empties.clear();
    }

    /// What sqd must answer to a request in the present state.
    pub(crate) fn predict(&self, request: &Request) -> Prediction {
        if !request.authorised {
            return Prediction::AsSq;
        }
        let empty = Document::default();
        let document = self.phexts.get(&request.phext).unwrap_or(&empty);
        match &request.action {
            Action::Load => text(format!("Loaded {}.phext", request.phext)),
            Action::Select { coordinate } => {
                with_coordinate(coordinate, |at| document.get(&at).into())
            }
            Action::Insert { coordinate, text } => write(coordinate, text, "Inserted"),
            Action::Update { coordinate, text } => write(coordinate, text, "Updated"),
            Action::Delete { coordinate } => with_coordinate(coordinate, |at| {
                format!("Removed {} bytes", document.get(&at).len())
            }),
            Action::WriteBadUtf8 { offset } => refused(400, [offset.to_string()]),
            Action::BadName => refused(403, ["Forbidden".to_owned()]),
            Action::Status => status(&request.phext, document),
            Action::Checksum => text(document::checksum(&document.render())),
            Action::Toc { prefix, limit } => text(toc(document, prefix, *limit)),
            Action::Get | Action::Export => exact(document.render()),
            Action::JsonExport => Prediction::Json(
                document
                    .iter()
                    .map(|(at, text)| (at.to_string(), text.clone()))
                    .collect(),
            ),
            Action::Delta { manifest } => exact(document.delta(&parse_manifest(manifest))),
            Action::Query(parameters) => query(document, parameters),
            Action::List => self.names(),
            Action::LongerPath | Action::NoRoute => Prediction::Exact {
                status: 404,
                body: b"Not Found".to_vec(),
            },
            Action::NoMethod => Prediction::Exact {
                status: 400,
                body: b"Bad Request".to_vec(),
            },
            Action::Version | Action::Where | Action::Preflight => Prediction::AsSq,
        }
    }

    /// Takes over a write that the model predicted to succeed.
    pub(crate) fn apply(&mut self, request: &Request) {
        if !request.authorised || matches!(self.predict(request), Prediction::Refused { .. }) {
            return;
        }
        let (coordinate, added) = match &request.action {
            Action::Insert { coordinate, text } | Action::Update { coordinate, text } => {
                (coordinate, text.as_str())
            }
            Action::Delete { coordinate } => (coordinate, ""),
            _ => return,
        };
        let Some(at) = Coordinate::lenient(coordinate) else {
            return;
        };
        let document = self.phexts.entry(request.phext.clone()).or_default();
        if matches!(request.action, Action::Insert { .. }) {
            document.append(at, added);
        } else {
            document.set(at, added.to_owned());
        }
        let left_empty =
            document.get(&at).is_empty() && !matches!(request.action, Action::Delete { .. });
        if self.sq_loaded.as_deref() == Some(&request.phext) {
            self.sq_empties.remove(&at);
            if left_empty {
                self.sq_empties.insert(at);
            }
        }
    }

    /// An emptied phext may be listed or not: the design leaves it open.
    fn names(&self) -> Prediction {
        let holding = self
            .phexts
            .iter()
            .filter(|(_, document)| !document.is_empty());
        Prediction::Names {
            required: holding.map(|(name, _)| name.clone()).collect(),
            allowed: self.phexts.keys().cloned().collect(),
        }
    }
}

fn exact(body: Vec<u8>) -> Prediction {
    Prediction::Exact { status: 200, body }
}

fn text(body: String) -> Prediction {
    exact(body.into_bytes())
}

fn refused(status: u16, naming: impl Into<Vec<String>>) -> Prediction {
    Prediction::Refused {
        status,
        naming: naming.into(),
    }
}

fn with_coordinate(coordinate: &str, answer: impl FnOnce(Coordinate) -> String) -> Prediction {
    match Coordinate::lenient(coordinate) {
        Some(at) => text(answer(at)),
        None => refused(400, []),
    }
}

fn write(coordinate: &str, added: &str, verb: &str) -> Prediction {
    match document::first_break(added) {
        Some((offset, byte)) => refused(400, [format!("0x{byte:02x}"), offset.to_string()]),
        None => with_coordinate(coordinate, |_| format!("{verb} {} bytes", added.len())),
    }
}

fn status(name: &str, document: &Document) -> Prediction {
    let size = document.rendered_len();
    let scrolls = document.len();
    text(format!(
        "Hosting: {name}.phext\nConnection ID: #\nPhext Size: {size}\nScrolls: {scrolls}"
    ))
}

fn toc(document: &Document, prefix: &[u64], limit: Option<usize>) -> String {
    let mut narrowed = Document::default();
    let matching = document.iter().filter(|(at, _)| at.0.starts_with(prefix));
    for (at, text) in matching.take(limit.unwrap_or(usize::MAX)) {
        narrowed.set(*at, text.clone());
    }
    narrowed.toc()
}

/// Lines of `<coordinate>: <hash>`; a line that is not one says nothing.
fn parse_manifest(manifest: &str) -> BTreeMap<Coordinate, String> {
    let mut hashes = BTreeMap::new();
    for line in manifest.lines() {
        let mut parts = line.split(": ");
        if let (Some(at), Some(hash)) = (parts.next().and_then(Coordinate::lenient), parts.next()) {
            hashes.insert(at, hash.to_owned());
        }
    }
    hashes
}

fn query(document: &Document, parameters: &QueryParameters) -> Prediction {
    let Some(mut picked) = range_results(document, parameters) else {
        return Prediction::AsSq;
    };
    let set = parameters.set.as_deref().unwrap_or_default();
    for item in set
        .split([',', '\n', ';'])
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let Some(at) = Coordinate::strict(item) else {
            return Prediction::AsSq;
        };
        picked.insert(at, document.get(&at).to_owned());
    }
    let take = match parameters
        .limit
        .as_deref()
        .map(str::trim)
        .filter(|limit| !limit.is_empty())
    {
        None => usize::MAX,
        Some(limit) => match limit.parse() {
            Ok(limit) => limit,
            Err(_) => return Prediction::AsSq,
        },
    };
    if parameters.from.is_none() && picked.is_empty() {
        return Prediction::AsSq;
    }
    let results: Vec<String> = picked
        .iter()
        .take(take)
        .map(|(at, scroll)| result(at, scroll))
        .collect();
    text(format!("[{}]", results.join(",")))
}

/// The results of the range; none without a range, `None` where the range is not valid.
fn range_results(
    document: &Document,
    parameters: &QueryParameters,
) -> Option<BTreeMap<Coordinate, String>> {
    let (from, to) = match (&parameters.from, &parameters.to) {
        (None, None) => return Some(BTreeMap::new()),
        (Some(from), Some(to)) => (Coordinate::strict(from)?, Coordinate::strict(to)?),
        _ => return None,
    };
    if from > to {
        return None;
    }
    Some(
        document
            .range(from..=to)
            .map(|(at, text)| (*at, text.clone()))
            .collect(),
    )
}

fn result(at: &Coordinate, scroll: &str) -> String {
    format!(
        "{{\"coordinate\":\"{at}\",\"scroll\":{}}}",
        serde_json::Value::from(scroll)
    )
}
