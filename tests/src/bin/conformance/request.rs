//! One request of the run: what it means, and the bytes each server is sent.

use phext_tests::http::Wire;

/// What a request asks for, with its parameters as a server must decode them.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// GET version.
    Version,
    /// GET load.
    Load,
    /// GET or HEAD select.
    Select { coordinate: String },
    /// Insert: append the text.
    Insert { coordinate: String, text: String },
    /// Update: overwrite with the text.
    Update { coordinate: String, text: String },
    /// Delete.
    Delete { coordinate: String },
    /// Update or insert with a body that is not UTF-8 from this offset on.
    WriteBadUtf8 { offset: usize },
    /// POST where.
    Where,
    /// GET status.
    Status,
    /// GET checksum.
    Checksum,
    /// GET toc, narrowed to a prefix and cut to a limit where they are given.
    Toc {
        prefix: Vec<u64>,
        limit: Option<usize>,
    },
    /// GET get.
    Get,
    /// GET export, which SQ lacks.
    Export,
    /// GET list, which SQ lacks.
    List,
    /// GET json-export.
    JsonExport,
    /// Delta against a manifest; the whole phext where the manifest is empty.
    Delta { manifest: String },
    /// Query; the model can answer valid ones.
    Query(QueryParameters),
    /// A path that SQ takes for a longer form of a route.
    LongerPath,
    /// A route that neither server has, or has not for this method.
    NoRoute,
    /// A method that neither server has.
    NoMethod,
    /// OPTIONS.
    Preflight,
    /// Any route with a name that could leave the data directory.
    BadName,
}

/// The parameters of a query, as decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryParameters {
    /// Lower end of the range.
    pub(crate) from: Option<String>,
    /// Upper end of the range.
    pub(crate) to: Option<String>,
    /// The set, from the parameter or the body.
    pub(crate) set: Option<String>,
    /// The largest number of results.
    pub(crate) limit: Option<String>,
}

/// One request of the run.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What it asks for.
    pub(crate) action: Action,
    /// The phext it names; empty where it names none.
    pub(crate) phext: String,
    /// Whether it carries the key (or none is needed).
    pub(crate) authorised: bool,
    /// What sqd is sent.
    pub(crate) sqd: Wire,
    /// What SQ is sent: the same, or the nearest SQ understands, or nothing where the request
    /// would damage SQ's data or take it down.
    pub(crate) sq: Option<Wire>,
}

impl Request {
    /// The same bytes for both servers.
    pub(crate) fn to_both(action: Action, phext: &str, wire: Wire) -> Self {
        let sq = Some(wire.clone());
        Self {
            action,
            phext: phext.to_owned(),
            authorised: true,
            sqd: wire,
            sq,
        }
    }

    /// A request that SQ must not see.
    pub(crate) fn to_sqd(action: Action, phext: &str, wire: Wire) -> Self {
        Self {
            action,
            phext: phext.to_owned(),
            authorised: true,
            sqd: wire,
            sq: None,
        }
    }

    /// Different bytes for the two servers, with the same meaning.
    pub(crate) fn translated(action: Action, phext: &str, sqd: Wire, sq: Wire) -> Self {
        Self {
            action,
            phext: phext.to_owned(),
            authorised: true,
            sqd,
            sq: Some(sq),
        }
    }

    /// Whether SQ was sent a translation.
    pub(crate) fn is_translated(&self) -> bool {
        self.sq.as_ref().is_some_and(|sq| {
            sq.method != self.sqd.method
                || sq.framing != self.sqd.framing
                || sq.body != self.sqd.body
        })
    }

    /// Adds a header line to what either server is sent.
    pub(crate) fn add_header(&mut self, line: &str) {
        self.sqd.headers.push(line.to_owned());
        if let Some(sq) = &mut self.sq {
            sq.headers.push(line.to_owned());
        }
    }
}
