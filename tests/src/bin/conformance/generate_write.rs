//! Writes: insert, update and delete, in every form a client sends them.

use phext_tests::document::{self, Document};
use phext_tests::http::{Framing, Wire, percent_encode};
use phext_tests::random::{Random, chance, weighted};
use rand::Rng;

use crate::generate::{naming, path};
use crate::request::{Action, Request};
use crate::subjects::{self, Subject};

/// The longest text that goes into a query: encoded it may be three times as long, and SQ reads
/// heads of 64 KiB at most.
const LONGEST_IN_QUERY: usize = 15_000;

/// How a text is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    /// GET, in `s`.
    Query,
    /// POST without a body, in `s`.
    PostQuery,
    /// POST, in the body.
    Body,
    /// POST, in the body, with an `s` that does not count.
    BodyAndQuery,
    /// PUT, in the body: update only.
    Put,
    /// POST, in a chunked body.
    Chunked,
    /// POST, all parameters in a form.
    Form,
}

const CARRIERS: [(u32, Carrier); 7] = [
    (35, Carrier::Query),
    (3, Carrier::PostQuery),
    (45, Carrier::Body),
    (3, Carrier::BodyAndQuery),
    (4, Carrier::Put),
    (4, Carrier::Chunked),
    (4, Carrier::Form),
];

/// An insert or update.
pub(crate) fn write(
    random: &mut Random,
    subject: &Subject,
    document: Option<&Document>,
) -> Request {
    let at = subjects::coordinate(random, subject, document);
    let insert = chance(random, 350);
    match weighted(random, &[(94, 0), (2, 1), (2, 2), (2, 3)]) {
        0 => {
            let coordinate = subjects::written(random, &at);
            good_write(random, subject, insert, &coordinate)
        }
        1 => {
            let coordinate = subjects::bad_coordinate(random);
            refused_write(random, subject, insert, &coordinate, "text")
        }
        2 => {
            let text = subjects::broken_text(random);
            refused_write(random, subject, insert, &at.to_string(), &text)
        }
        _ => bad_utf8(random, subject, insert, &at.to_string()),
    }
}

fn action(insert: bool, coordinate: &str, text: String) -> Action {
    let coordinate = coordinate.to_owned();
    if insert {
        Action::Insert { coordinate, text }
    } else {
        Action::Update { coordinate, text }
    }
}

fn route(insert: bool) -> &'static str {
    if insert { "insert" } else { "update" }
}

fn good_write(random: &mut Random, subject: &Subject, insert: bool, coordinate: &str) -> Request {
    let carrier = match weighted(random, &CARRIERS) {
        Carrier::Put if insert => Carrier::Body,
        carrier => carrier,
    };
    let in_query = matches!(carrier, Carrier::Query | Carrier::PostQuery);
    let longest = if in_query {
        LONGEST_IN_QUERY
    } else {
        usize::MAX
    };
    let text = subjects::text(random, longest);
    if carrier == Carrier::Form {
        return form(subject, insert, coordinate, &text);
    }
    let mut query = naming(random, subject);
    query.coordinate(random, coordinate);
    let mut meant = text.clone();
    if in_query {
        meant = query.text(random, "s", &text);
        assert!(
            document::first_break(&meant).is_none(),
            "SQ is sent no break bytes"
        );
    } else if carrier == Carrier::BodyAndQuery && !text.is_empty() {
        query.param(random, "s", "the body counts");
    }
    let method = if carrier == Carrier::Query {
        "GET"
    } else {
        "POST"
    };
    let mut wire = Wire::new(method, path(random, route(insert))).query(query.bytes());
    if !in_query {
        wire = wire.body(text);
    }
    if let Some(line) = content_type(random).filter(|_| method == "POST") {
        wire = wire.header(line);
    }
    with_carrier(
        random,
        carrier,
        action(insert, coordinate, meant),
        subject,
        wire,
    )
}

/// `curl -d` names the form type for any body; with a query string the body is the text as it is.
fn content_type(random: &mut Random) -> Option<&'static str> {
    weighted(
        random,
        &[
            (4, None),
            (2, Some("Content-Type: text/plain; charset=utf-8")),
            (2, Some("Content-Type: application/phext")),
            (2, Some("Content-Type: application/x-www-form-urlencoded")),
        ],
    )
}

fn with_carrier(
    random: &mut Random,
    carrier: Carrier,
    action: Action,
    subject: &Subject,
    wire: Wire,
) -> Request {
    let mut sqd = wire.clone();
    match carrier {
        Carrier::Put => sqd.method = "PUT",
        Carrier::Chunked => sqd.framing = Framing::Chunked(random.random_range(1..5_000)),
        _ => return Request::to_both(action, &subject.name, wire),
    }
    Request::translated(action, &subject.name, sqd, wire)
}

/// A form in the body and no query string; SQ is sent the same as query and body.
fn form(subject: &Subject, insert: bool, coordinate: &str, text: &str) -> Request {
    let encode = |value: &str| percent_encode(value.as_bytes()).replace("%20", "+");
    let fields = format!(
        "p={}&c={}&content={}",
        encode(&subject.name),
        encode(coordinate),
        encode(text)
    );
    let path = format!("/api/v2/{}", route(insert));
    let sqd = Wire::new("POST", path.as_str())
        .header("Content-Type: application/x-www-form-urlencoded")
        .body(fields);
    let query = format!("p={}&c={}", encode(&subject.name), encode(coordinate));
    let sq = Wire::new("POST", path).query(query).body(text);
    Request::translated(
        action(insert, coordinate, text.to_owned()),
        &subject.name,
        sqd,
        sq,
    )
}

fn refused_write(
    random: &mut Random,
    subject: &Subject,
    insert: bool,
    coordinate: &str,
    text: &str,
) -> Request {
    let mut query = naming(random, subject);
    query.coordinate(random, coordinate);
    let in_query = chance(random, 300);
    if in_query {
        query.param(random, "s", text);
    }
    let method = if in_query { "GET" } else { "POST" };
    let mut wire = Wire::new(method, path(random, route(insert))).query(query.bytes());
    if !in_query {
        wire = wire.body(text);
    }
    let action = action(insert, coordinate, text.to_owned());
    Request::to_sqd(action, &subject.name, wire)
}

fn bad_utf8(random: &mut Random, subject: &Subject, insert: bool, coordinate: &str) -> Request {
    let good = subjects::text(random, 500);
    let mut body = good.clone().into_bytes();
    let flaws: [&[u8]; 5] = [
        b"\xFF",
        b"\xC3(",
        b"\xE2\x82",
        b"\xED\xA0\x80",
        b"\xF5\x80\x80\x80",
    ];
    body.extend_from_slice(flaws[random.random_range(0..flaws.len())]);
    assert!(
        document::first_break(&good).is_none(),
        "the body has one flaw only"
    );
    let mut query = naming(random, subject);
    query.coordinate(random, coordinate);
    let wire = Wire::new("POST", path(random, route(insert)))
        .query(query.bytes())
        .body(body);
    Request::to_sqd(
        Action::WriteBadUtf8 { offset: good.len() },
        &subject.name,
        wire,
    )
}

/// A delete: GET as SQ has it, and the methods that clients try as well.
pub(crate) fn delete(
    random: &mut Random,
    subject: &Subject,
    document: Option<&Document>,
) -> Request {
    let at = subjects::coordinate(random, subject, document);
    let mut query = naming(random, subject);
    if chance(random, 20) {
        let coordinate = subjects::bad_coordinate(random);
        query.coordinate(random, &coordinate);
        let wire = Wire::new("GET", path(random, "delete")).query(query.bytes());
        return Request::to_sqd(Action::Delete { coordinate }, &subject.name, wire);
    }
    let coordinate = subjects::written(random, &at);
    query.coordinate(random, &coordinate);
    let get = Wire::new("GET", path(random, "delete")).query(query.bytes());
    let action = Action::Delete { coordinate };
    let method = weighted(random, &[(6, "GET"), (2, "POST"), (2, "DELETE")]);
    if method == "GET" {
        return Request::to_both(action, &subject.name, get);
    }
    let mut sqd = get.clone();
    sqd.method = method;
    Request::translated(action, &subject.name, sqd, get)
}
