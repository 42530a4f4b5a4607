//! Requests that compute: `query`, valid and not, and `where`.

use phext_tests::coordinate::Coordinate;
use phext_tests::document::Document;
use phext_tests::http::Wire;
use phext_tests::random::{Random, chance, pick, weighted};
use rand::Rng;

use crate::generate::{naming, path};
use crate::request::{Action, QueryParameters, Request};
use crate::subjects::{self, Subject};

/// A coordinate query. The wild phexts get valid ones only: the refusals are SQ's to define.
pub(crate) fn query(
    random: &mut Random,
    subject: &Subject,
    document: Option<&Document>,
) -> Request {
    let mut parameters = valid(random, subject, document);
    if !subject.wild && chance(random, 300) {
        spoil(random, &mut parameters);
    }
    let body_set = parameters
        .set
        .clone()
        .filter(|set| !set.is_empty() && chance(random, 400));
    let mut query = naming(random, subject);
    for (name, value) in [
        ("from", &parameters.from),
        ("to", &parameters.to),
        ("set", &parameters.set),
        ("limit", &parameters.limit),
    ] {
        if let Some(value) = value
            .as_ref()
            .filter(|_| name != "set" || body_set.is_none())
        {
            query.param(random, name, value);
        }
    }
    let method = if body_set.is_some() {
        "POST"
    } else {
        *pick(random, &["GET", "POST"])
    };
    let mut wire = Wire::new(method, path(random, "query")).query(query.bytes());
    if let Some(set) = body_set {
        wire = wire.body(set);
    } else if method == "POST" && parameters.set.is_some() && chance(random, 300) {
        wire = wire.body("not a set, and the parameter counts");
    }
    Request::to_both(Action::Query(parameters), &subject.name, wire)
}

fn valid(random: &mut Random, subject: &Subject, document: Option<&Document>) -> QueryParameters {
    let mut parameters = QueryParameters::default();
    let shape = weighted(
        random,
        &[(5, (true, false)), (4, (false, true)), (2, (true, true))],
    );
    if shape.0 {
        let (from, to) = ends(random, subject, document);
        parameters.from = Some(padded(random, &from));
        parameters.to = Some(padded(random, &to));
    }
    if shape.1 {
        parameters.set = Some(set(random, subject, document));
    }
    if chance(random, 300) {
        parameters.limit =
            Some(weighted(random, &[(6, "3"), (2, "1"), (1, "0"), (1, " 5 "), (1, "")]).to_owned());
    }
    parameters
}

fn ends(
    random: &mut Random,
    subject: &Subject,
    document: Option<&Document>,
) -> (Coordinate, Coordinate) {
    if chance(random, 200) {
        return (Coordinate::ORIGIN, Coordinate([999; 9]));
    }
    let one = subjects::coordinate(random, subject, document);
    let other = subjects::coordinate(random, subject, document);
    (one.min(other), one.max(other))
}

/// Spaces around a strict coordinate do not count, nor do leading zeros.
fn padded(random: &mut Random, at: &Coordinate) -> String {
    match weighted(random, &[(94, 0), (4, 1), (2, 2)]) {
        0 => at.to_string(),
        1 => format!(" {at} "),
        _ => format!("0{at}"),
    }
}

fn set(random: &mut Random, subject: &Subject, document: Option<&Document>) -> String {
    let separator = weighted(
        random,
        &[(4, ","), (2, "\n"), (2, ";"), (1, ", "), (1, ",,")],
    );
    let count = random.random_range(1..12);
    let items: Vec<String> = (0..count)
        .map(|_| {
            let at = subjects::coordinate(random, subject, document);
            padded(random, &at)
        })
        .collect();
    items.join(separator)
}

/// Makes the parameters wrong in one of the ways that SQ has a text for.
fn spoil(random: &mut Random, parameters: &mut QueryParameters) {
    let late = "3.1.1/1.1.1/1.1.1";
    let bad: &&str = pick(
        random,
        &[
            "1.2.3",
            "HOME",
            "1.1.1/1.1.1/1.1.0",
            "1.1.1;1.1.1;1.1.1",
            "1.1.1/1.1.1/1.1.x",
            "é",
            "-1.1.1/1.1.1/1.1.1",
        ],
    );
    let bad = (*bad).to_owned();
    match random.random_range(0..8) {
        0 => parameters.from = Some(bad),
        1 => parameters.to = Some(bad),
        2 => parameters.set = Some(format!("1.1.1/1.1.1/1.1.1,{}", bad.replace(';', ":"))),
        3 => parameters.limit = Some(pick(random, &["x", "-1", "1.5", "1e3"]).to_string()),
        4 => {
            parameters.from = Some(late.to_owned());
            parameters.to = Some("1.1.1/1.1.1/1.1.9".to_owned());
        }
        5 => parameters.to = Some(" ".to_owned()),
        6 => *parameters = QueryParameters::default(),
        _ => {
            *parameters = QueryParameters {
                set: Some(" ,;\n".to_owned()),
                ..Default::default()
            }
        }
    }
}

/// A `where`: a coordinate calculated from a text, which may hold breaks here.
pub(crate) fn calculate(random: &mut Random, subject: &Subject) -> Request {
    let mut text = subjects::text(random, 5_000);
    if chance(random, 300) {
        text = format!("{text}{}\x18\x19 and more", subjects::broken_text(random));
    }
    let mut query = naming(random, subject);
    if let Some(algorithm) = weighted(
        random,
        &[
            (3, None),
            (3, Some("xor")),
            (4, Some("checksum")),
            (1, Some("md5")),
        ],
    ) {
        query.param(random, "algo", algorithm);
    }
    if let Some(limit) = weighted(
        random,
        &[
            (3, None),
            (2, Some("0")),
            (4, Some("5")),
            (1, Some("x")),
            (1, Some("-3")),
        ],
    ) {
        query.param(random, "limit", limit);
    }
    let in_query = chance(random, 200);
    if in_query {
        query.text(random, "s", &text);
    }
    let mut wire = Wire::new("POST", path(random, "where")).query(query.bytes());
    if !in_query {
        wire = wire.body(text);
    }
    Request::to_both(Action::Where, &subject.name, wire)
}
