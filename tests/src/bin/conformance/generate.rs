//! The seeded sequence of requests.

use phext_tests::document::{self, Document};
use phext_tests::http::Wire;
use phext_tests::random::{Random, chance, pick, weighted};
use rand::Rng;

use crate::compose::QueryString;
use crate::model::Model;
use crate::request::{Action, Request};
use crate::subjects::{self, MAILBOX, Subject};
use crate::{generate_query, generate_write};

/// Makes one request after another.
#[derive(Debug)]
pub(crate) struct Generator {
    pub(crate) random: Random,
    /// The key that the servers ask for, if they do.
    key: Option<String>,
    subject: Subject,
}

/// What kinds of request there are, and how many of a thousand.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Select,
    Write,
    Delete,
    Status,
    Checksum,
    Toc,
    Get,
    JsonExport,
    Load,
    Version,
    Where,
    Delta,
    Query,
    Odd,
}

const KINDS: [(u32, Kind); 14] = [
    (220, Kind::Select),
    (280, Kind::Write),
    (60, Kind::Delete),
    (60, Kind::Status),
    (40, Kind::Checksum),
    (50, Kind::Toc),
    (30, Kind::Get),
    (25, Kind::JsonExport),
    (15, Kind::Load),
    (10, Kind::Version),
    (30, Kind::Where),
    (50, Kind::Delta),
    (90, Kind::Query),
    (40, Kind::Odd),
];

impl Generator {
    /// A generator for servers without a key.
    pub(crate) fn new(mut random: Random) -> Self {
        let subject = subjects::subject(&mut random);
        Self {
            random,
            key: None,
            subject,
        }
    }

    /// From here on the servers ask for this key.
    pub(crate) fn require(&mut self, key: &str) {
        self.key = Some(key.to_owned());
    }

    /// The next request. A phext is kept for a few requests: SQ differs most between a write and
    /// its next load.
    pub(crate) fn next(&mut self, model: &Model) -> Request {
        if chance(&mut self.random, 200) {
            self.subject = subjects::subject(&mut self.random);
        }
        let mut subject = self.subject.clone();
        let kind = weighted(&mut self.random, &KINDS);
        if matches!(kind, Kind::Version | Kind::Where | Kind::Odd) {
            // Only SQ knows the answers to these, so they do not speak of what SQ must not see.
            subject = subjects::shared(&mut self.random);
        }
        let document = model.phext(&subject.name);
        let mut request = self.request(kind, &subject, document);
        if subject.wild {
            request.sq = None;
        }
        self.authorise(&mut request);
        request
    }

    fn request(&mut self, kind: Kind, subject: &Subject, document: Option<&Document>) -> Request {
        let random = &mut self.random;
        match kind {
            Kind::Select => select(random, subject, document),
            Kind::Write => generate_write::write(random, subject, document),
            Kind::Delete => generate_write::delete(random, subject, document),
            Kind::Status => plain(random, subject, Action::Status, "status"),
            Kind::Toc => toc(random, subject),
            Kind::JsonExport => plain(random, subject, Action::JsonExport, "json-export"),
            Kind::Load => plain(random, subject, Action::Load, "load"),
            Kind::Version => plain(random, subject, Action::Version, "version"),
            Kind::Query => generate_query::query(random, subject, document),
            Kind::Checksum | Kind::Get | Kind::Delta if subject.name == MAILBOX => {
                plain(random, subject, Action::Status, "status")
            }
            Kind::Checksum => plain(random, subject, Action::Checksum, "checksum"),
            Kind::Get => plain(random, subject, Action::Get, "get"),
            Kind::Delta => delta(random, subject, document),
            Kind::Where => generate_query::calculate(random, subject),
            Kind::Odd => odd(random, subject),
        }
    }

    /// Adds a key in one of its forms, or one that is wrong. What SQ is not shown must carry the
    /// right one: there would be nothing to compare the refusal with.
    fn authorise(&mut self, request: &mut Request) {
        let random = &mut self.random;
        let preflight = matches!(request.action, Action::Preflight);
        let Some(key) = &self.key else {
            if chance(random, 30) {
                request.add_header("Authorization: Bearer unasked");
            }
            return;
        };
        if preflight {
            return;
        }
        let standard = request.sq.is_some()
            && !request.is_translated()
            && !matches!(request.action, Action::LongerPath | Action::NoMethod);
        if standard && chance(random, 300) {
            request.authorised = false;
            for line in refused_headers(random, key) {
                request.add_header(&line);
            }
        } else {
            let line = accepted_header(random, key);
            request.add_header(&line);
        }
    }
}

fn accepted_header(random: &mut Random, key: &str) -> String {
    let form = weighted(
        random,
        &[
            (3, "Authorization: Bearer "),
            (1, "authorization: bearer "),
            (1, "Authorization: BEARER  "),
            (3, "Authorization: "),
            (1, "Authorization:"),
            (2, "X-SQ-API-Key: "),
            (1, "x-sq-api-key: "),
        ],
    );
    format!("{form}{key}")
}

fn refused_headers(random: &mut Random, key: &str) -> Vec<String> {
    match random.random_range(0..8) {
        0 | 1 => Vec::new(),
        2 => vec!["Authorization: Bearer wrong".to_owned()],
        3 => vec![format!("Authorization: {key}x")],
        4 => vec![format!("X-SQ-API-Key: {}", &key[..key.len() - 1])],
        5 => vec!["Authorization:".to_owned()],
        6 => vec![format!("Authorization: Basic {key}")],
        // The first of the two headers decides, right or wrong.
        _ => vec![
            "Authorization: wrong".to_owned(),
            format!("X-SQ-API-Key: {key}"),
        ],
    }
}

/// The query string that names the phext; one without a name may leave the parameter out.
pub(crate) fn naming(random: &mut Random, subject: &Subject) -> QueryString {
    let mut query = QueryString::new();
    if chance(random, 30) {
        query.noise(random);
    }
    if chance(random, 20) {
        // Of two parameters of one name the last counts.
        query.param(random, "p", "decoy");
        query.param(random, "p", &subject.name);
    } else if !subject.name.is_empty() || chance(random, 300) {
        query.param(random, "p", &subject.name);
    }
    query
}

/// The path of a route; now and then with more after a slash.
pub(crate) fn path(random: &mut Random, route: &str) -> String {
    let more = weighted(random, &[(97, ""), (1, "/"), (1, "/more")]);
    format!("/api/v2/{route}{more}")
}

fn plain(random: &mut Random, subject: &Subject, action: Action, route: &str) -> Request {
    let query = naming(random, subject);
    let get = Wire::new("GET", path(random, route)).query(query.bytes());
    let head = matches!(action, Action::Checksum | Action::Get) && chance(random, 100);
    both_or_head(action, subject, get, head)
}

fn both_or_head(action: Action, subject: &Subject, get: Wire, head: bool) -> Request {
    if !head {
        return Request::to_both(action, &subject.name, get);
    }
    let mut sqd = get.clone();
    sqd.method = "HEAD";
    Request::translated(action, &subject.name, sqd, get)
}

fn select(random: &mut Random, subject: &Subject, document: Option<&Document>) -> Request {
    let at = subjects::coordinate(random, subject, document);
    let bad = chance(random, 30);
    let coordinate = if bad {
        subjects::bad_coordinate(random)
    } else {
        subjects::written(random, &at)
    };
    let mut query = naming(random, subject);
    if !coordinate.is_empty() || chance(random, 500) {
        query.coordinate(random, &coordinate);
    }
    let get = Wire::new("GET", path(random, "select")).query(query.bytes());
    let head = !bad && chance(random, 50);
    both_or_head(Action::Select { coordinate }, subject, get, head)
}

fn toc(random: &mut Random, subject: &Subject) -> Request {
    let mut query = naming(random, subject);
    let mut prefix = Vec::new();
    let mut limit = None;
    if chance(random, 150) {
        prefix = (0..random.random_range(1..=8))
            .map(|_| random.random_range(1..=3))
            .collect();
        query.coordinate(random, &written_prefix(&prefix));
    }
    if chance(random, 100) {
        let most = random.random_range(0..20);
        query.verbatim("limit", most.to_string().as_bytes());
        limit = Some(most);
    }
    let get = Wire::new("GET", path(random, "toc")).query(query.bytes());
    Request::to_both(Action::Toc { prefix, limit }, &subject.name, get)
}

fn written_prefix(prefix: &[u64]) -> String {
    let mut text = String::new();
    for (at, component) in prefix.iter().enumerate() {
        if at > 0 {
            text.push(if at % 3 == 0 { '/' } else { '.' });
        }
        text.push_str(&component.to_string());
    }
    text
}

fn delta(random: &mut Random, subject: &Subject, document: Option<&Document>) -> Request {
    let manifest = manifest(random, subject, document);
    let mut query = naming(random, subject);
    let in_query = manifest.len() < 4_000 && chance(random, 150);
    if in_query {
        query.param(random, "s", &manifest);
    }
    let method = if in_query {
        *pick(random, &["GET", "POST"])
    } else {
        "POST"
    };
    let mut wire = Wire::new(method, path(random, "delta")).query(query.bytes());
    if !in_query {
        wire = wire.body(manifest.clone());
    }
    Request::to_both(Action::Delta { manifest }, &subject.name, wire)
}

/// Hashes of what the server holds, some of them out of date, some left out, and some of scrolls
/// it lacks.
fn manifest(random: &mut Random, subject: &Subject, document: Option<&Document>) -> String {
    if chance(random, 150) {
        return String::new();
    }
    let end = weighted(random, &[(3, "\n"), (1, "\r\n")]);
    let mut lines = Vec::new();
    for (at, text) in document.into_iter().flat_map(Document::iter) {
        match weighted(random, &[(7, 0), (2, 1), (1, 2)]) {
            0 => lines.push(format!("{at}: {}", document::checksum(text.as_bytes()))),
            1 => lines.push(format!("{at}: {}", document::checksum(b"out of date"))),
            _ => {}
        }
    }
    for _ in 0..random.random_range(0..3) {
        let at = subjects::coordinate(random, subject, None);
        lines.push(format!("{at}: {}", document::checksum(b"gone")));
    }
    if chance(random, 100) {
        lines.push("not a manifest line".to_owned());
    }
    lines.into_iter().map(|line| line + end).collect()
}

fn odd(random: &mut Random, subject: &Subject) -> Request {
    let query = naming(random, subject);
    let name = subject.name.as_str();
    let wire = |method, path: &str| Wire::new(method, path).query(query.bytes());
    match random.random_range(0..6) {
        0 => {
            let path: &&str = pick(
                random,
                &["/", "/api/v2/", "/api/v2/nothing", "/api/v1/select"],
            );
            Request::to_both(Action::NoRoute, name, wire("GET", path))
        }
        1 => {
            let (method, route) = *pick(
                random,
                &[
                    ("GET", "where"),
                    ("POST", "select"),
                    ("POST", "toc"),
                    ("POST", "status"),
                ],
            );
            Request::to_both(
                Action::NoRoute,
                name,
                wire(method, &format!("/api/v2/{route}")),
            )
        }
        2 => {
            let routes = [
                "selectXYZ",
                "statuses",
                "tocs",
                "getaway",
                "versions",
                "checksum2",
            ];
            let route: &&str = pick(random, &routes);
            Request::to_both(
                Action::LongerPath,
                name,
                wire("GET", &format!("/api/v2/{route}")),
            )
        }
        3 => {
            let method: &&str = pick(random, &["PATCH", "TRACE", "BREW", "get"]);
            Request::to_both(Action::NoMethod, name, wire(method, "/api/v2/select"))
        }
        4 => Request::to_both(Action::Preflight, name, wire("OPTIONS", "/api/v2/update")),
        _ => odd_for_sqd(random, name, &query),
    }
}

fn odd_for_sqd(random: &mut Random, name: &str, query: &QueryString) -> Request {
    match random.random_range(0..3) {
        0 => Request::to_sqd(Action::List, name, Wire::new("GET", "/api/v2/list")),
        1 if name != MAILBOX => {
            let wire = Wire::new("GET", "/api/v2/export").query(query.bytes());
            Request::to_sqd(Action::Export, name, wire)
        }
        _ => {
            let bad = subjects::bad_name(random);
            let mut query = QueryString::new();
            query.param(random, "p", &bad);
            let route: &&str = pick(random, &["select", "status", "toc", "update"]);
            let wire = Wire::new("GET", format!("/api/v2/{route}")).query(query.bytes());
            Request::to_sqd(Action::BadName, &bad, wire)
        }
    }
}
