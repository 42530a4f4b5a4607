//! The extended form of `query`.

use super::*;
use serde_json::{Value, json};

/// A phext of nine scrolls: two chapters of three sections, and three scrolls elsewhere.
async fn filled() -> Fixture {
    let server = Fixture::new();
    for (coordinate, text) in [
        ("1.1.1/1.1.1/1.1.1", "# One\nUlysses sails.\n"),
        ("1.1.1/1.1.1/1.2.1", "two"),
        ("1.1.1/1.1.1/1.3.1", "Ulysses\nreturns\nhome"),
        ("1.1.1/1.1.1/2.1.1", "four"),
        ("1.1.1/1.1.1/2.2.1", "five é"),
        ("1.1.1/1.1.1/2.2.2", "# six"),
        ("1.1.1/1.2.1/1.1.1", "seven"),
        ("1.2.1/1.1.1/1.1.1", "eight of Ulysses"),
        ("2.1.1/1.1.1/1.1.5", "nine"),
    ] {
        let line = format!("POST update?p=a&c={coordinate}");
        let found = server.ask(&line, "", text).await;
        assert_eq!(found.status, 200, "{coordinate}");
    }
    server
}

impl Fixture {
    async fn json(&self, parameters: &str) -> Value {
        let found = self
            .ask(&format!("GET query?p=a&{parameters}"), "", "")
            .await;
        assert_eq!(found.status, 200, "{parameters}: {}", found.body);
        assert_eq!(found.content_type, JSON, "{parameters}");
        serde_json::from_str(&found.body).unwrap_or_else(|e| panic!("{parameters}: {e}"))
    }

    /// The answer, where it has one column: its values.
    async fn check_column(&self, parameters: &str, expected: Value) {
        let answer = self.json(parameters).await;
        let rows = answer.as_array().unwrap();
        let values: Vec<&Value> = rows
            .iter()
            .map(|row| {
                let row = row.as_object().unwrap();
                assert_eq!(row.len(), 1, "{parameters}: {row:?}");
                row.values().next().unwrap()
            })
            .collect();
        assert_eq!(json!(values), expected, "{parameters}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn which_scrolls() {
    let server = filled().await;
    for (parameters, expected) in [
        ("match=**", json!([21, 3, 20, 4, 7, 5, 5, 16, 4])),
        ("match=1.1.1/1.1.1/**", json!([21, 3, 20, 4, 7, 5])),
        ("match=*.*.*/*.*.*/{1,7}.2-.*", json!([3, 20])),
        (
            "match=*.*.*/*.*.*/*.2.*&match=1.1.1/1.1.1/2.**",
            json!([7, 5]),
        ),
        ("match=3.**", json!([])),
        ("contains=Ulysses", json!([21, 20, 16])),
        ("contains=Ulysses&contains=home", json!([20])),
        ("contains=%C3%A9", json!([7])),
        ("contains=%20", json!([21, 7, 5, 16])),
        ("contains=%0A", json!([21, 20])),
        ("contains=home&contains=", json!([20])),
        ("starts=%23", json!([21, 5])),
        ("starts=Ulysses&max_length=20", json!([20])),
        ("min_length=5&max_length=16", json!([7, 5, 5, 16])),
        ("min_length=6&max_length=4", json!([])),
        (
            "contains=e&from=1.1.1/1.1.1/2.1.1&to=1.2.1/1.1.1/1.1.1",
            json!([7, 5, 16]),
        ),
        (
            "match=*.*.*/*.*.*/2.**&set=1.1.1/1.1.1/2.2.2,1.1.1/1.1.1/2.9.9,1.1.1/1.1.1/1.1.1",
            json!([5, 0]),
        ),
        (
            "min_length=0&set=1.1.1/1.1.1/2.2.2,1.1.1/1.1.1/2.9.9,1.1.1/1.1.1/1.1.1",
            json!([21, 5]),
        ),
        ("nearest=1.1.1/1.1.1/2.2.1&k=3", json!([7, 3, 4])),
        ("nearest=1.1.1/1.1.1/2.2.1&k=3&starts=%23", json!([5, 21])),
        ("nearest=1.1.1/1.1.1/2.2.1&radius=1", json!([7, 3, 4, 5])),
        ("nearest=1.1.1/1.1.1/2.2.1&radius=1&limit=2", json!([7, 3])),
        ("nearest=1.1.1/1.1.1/2.2.1&k=2&match=1.2.**", json!([16])),
        (
            "nearest=1.1.1/1.1.1/1.1.1&k=3&metric=chebyshev",
            json!([21, 3, 4]),
        ),
        (
            "nearest=1.1.1/1.1.1/1.1.1&k=2&metric=9,9,9,9,9,9,9,1,9",
            json!([21, 3]),
        ),
    ] {
        let parameters = format!("{parameters}&select=length");
        server.check_column(&parameters, expected.clone()).await;
        for tier in 0..4 {
            let parameters = format!("{parameters}&tier={tier}");
            server.check_column(&parameters, expected.clone()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_them() {
    let server = filled().await;
    let one = "match=1.1.1/1.1.1/1.1.1";
    let checksum = format!(
        "{:032x}",
        xxhash_rust::xxh3::xxh3_128(b"# One\nUlysses sails.\n")
    );
    for (parameters, expected) in [
        (
            one.to_owned(),
            json!([{"coordinate": "1.1.1/1.1.1/1.1.1", "scroll": "# One\nUlysses sails.\n"}]),
        ),
        (
            format!("{one}&select=checksum,+length+,coordinate,text"),
            json!([{
                "checksum": checksum, "length": 21, "coordinate": "1.1.1/1.1.1/1.1.1",
                "text": "# One\nUlysses sails.\n"
            }]),
        ),
        (
            format!("{one}&select=text&lines=1"),
            json!([{"text": "# One\n"}]),
        ),
        (
            format!("{one}&select=text&lines=2-"),
            json!([{"text": "Ulysses sails.\n"}]),
        ),
        (
            format!("{one}&select=text&lines=4-9"),
            json!([{"text": ""}]),
        ),
        (
            format!("{one}&select=text&bytes=2-4"),
            json!([{"text": "One"}]),
        ),
        (
            "contains=five&select=text,length&bytes=0-5".to_owned(),
            json!([{"text": "five \u{fffd}", "length": 7}]),
        ),
        (
            "nearest=1.1.1/1.1.1/2.2.2&k=2&contains=e".to_owned(),
            json!([
                {"coordinate": "1.1.1/1.1.1/2.2.1", "scroll": "five é", "distance": 1},
                {"coordinate": "1.1.1/1.1.1/1.1.1", "scroll": "# One\nUlysses sails.\n", "distance": 3}
            ]),
        ),
        (
            "set=1.1.1/1.1.1/9.9.9&select=scroll,text,checksum,length".to_owned(),
            json!([{"scroll": "", "text": null, "checksum": null, "length": 0}]),
        ),
        (
            "select=count,sum(length),min(length),max(length)".to_owned(),
            json!([{"count": 9, "sum(length)": 85, "min(length)": 3, "max(length)": 21}]),
        ),
        (
            "select=count,sum(length),min(length),max(length)&contains=nothing".to_owned(),
            json!([{"count": 0, "sum(length)": 0, "min(length)": null, "max(length)": null}]),
        ),
        (
            "select=count&contains=Ulysses".to_owned(),
            json!([{"count": 3}]),
        ),
        (
            "group=library".to_owned(),
            json!([{"library": 1, "count": 8}, {"library": 2, "count": 1}]),
        ),
        (
            "group=2&select=sum(length)&min_length=4".to_owned(),
            json!([
                {"library": 1, "shelf": 1, "sum(length)": 62},
                {"library": 1, "shelf": 2, "sum(length)": 16},
                {"library": 2, "shelf": 1, "sum(length)": 4}
            ]),
        ),
        (
            "group=section&select=count,section&order=-count&limit=2".to_owned(),
            json!([{"count": 5, "section": 1}, {"count": 3, "section": 2}]),
        ),
        (
            "select=distinct(scroll)&order=coordinate+desc".to_owned(),
            json!([{"scroll": 5}, {"scroll": 2}, {"scroll": 1}]),
        ),
        (
            "group=scroll&select=scroll,count&order=count".to_owned(),
            json!([
                {"scroll": 2, "count": 1}, {"scroll": 5, "count": 1}, {"scroll": 1, "count": 7}
            ]),
        ),
    ] {
        assert_eq!(server.json(&parameters).await, expected, "{parameters}");
    }
    let found = server
        .ask("GET query?p=a&select=count&match=2.**", "", "")
        .await;
    assert_eq!(found.body, "[{\"count\":1}]");
    let found = server.ask("GET query?p=nothing&match=2.**", "", "").await;
    assert_eq!(found.body, "[]");
    let found = server
        .ask("POST query?p=a&select=length", "", "1.1.1/1.1.1/1.2.1")
        .await;
    assert_eq!(found.body, "[{\"length\":3}]");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_which_order() {
    let server = filled().await;
    for (parameters, expected) in [
        ("order=length", json!([3, 4, 4, 5, 5, 7, 16, 20, 21])),
        ("order=-length&limit=3", json!([21, 20, 16])),
        (
            "order=length+desc&limit=1&match=*.*.*/*.*.*/2.**",
            json!([7]),
        ),
        ("order=-coordinate", json!([4, 16, 5, 5, 7, 4, 20, 3, 21])),
        (
            "order=-coordinate&limit=2&contains=Ulysses",
            json!([16, 20]),
        ),
        ("order=coordinate&limit=2", json!([21, 3])),
        (
            "order=-distance&nearest=1.1.1/1.1.1/1.1.1&k=3",
            json!([3, 4, 21]),
        ),
        (
            "order=coordinate&nearest=1.1.1/1.1.1/2.2.2&k=3",
            json!([3, 7, 5]),
        ),
        (
            "order=length&nearest=1.1.1/1.1.1/2.2.2&k=3",
            json!([3, 5, 7]),
        ),
    ] {
        let parameters = format!("{parameters}&select=length");
        server.check_column(&parameters, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused() {
    let server = filled().await;
    for (parameters, expected) in [
        (
            "match=1.2.3.4",
            "`match` (1.2.3.4) at character 6: expected `/` and the collection, found `.`",
        ),
        (
            "match=1.2.3/4.5.6/7-3.**",
            "`match` (1.2.3/4.5.6/7-3.**) at character 13: the range 7-3 ends before it begins",
        ),
        (
            "select=coordinate,size",
            "`select` at character 12: expected coordinate, text, length, checksum, distance, count, \
             sum(length), min(length), max(length) or distinct(chapter), found size",
        ),
        (
            "select=coordinate,+coordinate",
            "`select` at character 13: coordinate is selected twice",
        ),
        (
            "select=distinct(page)",
            "`select` at character 1: expected a dimension, library to scroll, found page",
        ),
        (
            "select=text,count",
            "`select`: count is of all scrolls together and text of each one: ask for one of them",
        ),
        (
            "select=length&group=1",
            "`select`: a group has no length; it has its key, count, sum(length), min(length) and \
             max(length)",
        ),
        (
            "group=shelf,library",
            "`group` is a number of leading dimensions, 1 to 9, their names from library on, or one \
             dimension, such as chapter, not shelf,library",
        ),
        (
            "order=size",
            "`order` is coordinate, length, distance or count, such as -length or `length desc`, \
             not size",
        ),
        (
            "order=count",
            "single scrolls have no count to order by: group them, or order by something else",
        ),
        (
            "order=distance",
            "distance needs a coordinate to measure from: ask for the nearest to one",
        ),
        (
            "order=length&group=1",
            "groups are ordered by coordinate, which is their key, or by count, not by length",
        ),
        (
            "order=coordinate&select=count",
            "totals are one row, which has no order",
        ),
        ("k=3", "`k` needs `nearest`, the coordinate to measure from"),
        (
            "nearest=1.1.1/1.1.1/1.1.1&k=many",
            "`k` is a number from 0 to 4294967295, not many",
        ),
        (
            "nearest=1.1.1/1.1.1/1.1.1&metric=1,2",
            "`metric` is manhattan, chebyshev or nine weights such as 0,0,0,0,0,0,4,2,1, not 1,2",
        ),
        (
            "nearest=1.1.1/1.1.1/1.1.1&set=1.1.1/1.1.1/1.1.1",
            "`nearest` looks among all scrolls: leave out the set of coordinates",
        ),
        (
            "contains=a&lines=5-2",
            "`lines` is a span such as 2-5, 7- or 3, counted from 1, not 5-2",
        ),
        (
            "contains=a&lines=1&bytes=1",
            "`lines` and `bytes` are of the same text: give one of them",
        ),
        (
            "contains=a%FFb&contains=a",
            "`contains` is not UTF-8 at byte 1",
        ),
        ("match=**&starts=%FF", "`starts` is not UTF-8 at byte 0"),
        ("tier=4", "`tier` is a number from 0 to 3, not 4"),
        ("explain=maybe", "`explain` is 1 or 0, not maybe"),
        (
            "match=**&from=1.1.1/1.1.1/1.1.1",
            "a range needs both 'from' and 'to'",
        ),
        ("match=**&set=1.2", "invalid coordinate in set: 1.2"),
    ] {
        let found = server
            .ask(&format!("GET query?p=a&{parameters}"), "", "")
            .await;
        let expected = format!("Bad Request: {expected}");
        assert_eq!((found.status, found.body), (400, expected), "{parameters}");
    }
    let found = server.ask("GET query?p=a&nearest=1.1&k=1", "", "").await;
    assert_eq!(found.status, 400);
    assert!(
        found.body.starts_with("Bad Request: `nearest`: "),
        "{}",
        found.body
    );
}

/// Parameters without a value, and those that SQ ignores, leave a request one of SQ's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_extended() {
    let server = filled().await;
    for parameters in ["", "match=&contains=&x=1", "limit=2&P=other"] {
        let found = server
            .ask(&format!("GET query?p=a&{parameters}"), "", "")
            .await;
        let expected = "Bad Request: query needs a range (from + to) or a set of coordinates";
        assert_eq!(
            (found.status, found.body.as_str()),
            (400, expected),
            "{parameters}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_it_is_answered() {
    let server = filled().await;
    let parameters = "nearest=1.1.1/1.1.1/2.2.2&k=2&contains=e&order=-distance&explain=1";
    let answer = server.json(parameters).await;
    assert_eq!(answer["tier"], json!(3));
    assert_eq!(answer["rows"], json!(2));
    assert_eq!(answer["plan"].as_array().unwrap().len(), 5, "{answer}");
    let streams = answer["streams"].as_array().unwrap();
    let purposes: Vec<&Value> = streams.iter().map(|stream| &stream["purpose"]).collect();
    assert_eq!(json!(purposes), json!(["find", "find", "fetch"]));
    assert!(
        answer["stream"].as_str().unwrap().contains("CTOP.least"),
        "{answer}"
    );
    assert!(streams[0]["lanes"].as_u64() >= Some(9));
    assert!(streams[0]["ops_per_cycle"].as_f64() > Some(0.0));
    assert!(streams[0]["access"][0]["strategy"].is_string(), "{answer}");
    assert!(answer["bytes_gathered"].as_u64() > Some(0));
    for step in ["parsing", "planning", "compiling", "running"] {
        assert!(answer["microseconds"][step].as_f64() > Some(0.0), "{step}");
    }
    assert!(streams[0]["parts"]["each"].as_f64() > Some(0.0), "{answer}");
    let operations = streams[0]["operations"].as_array().unwrap();
    let ops = |kind: &Value| kind["ops"].as_u64().unwrap();
    let sum: u64 = operations.iter().map(ops).sum();
    assert_eq!(streams[0]["ops"], json!(sum));
    let is_top = |kind: &&Value| kind["operation"] == json!("CTOP.least");
    assert!(operations.iter().any(|kind| is_top(&kind)), "{answer}");
    // The rows themselves are not in it, and the other form is as it was.
    let answer = server.json("match=**&explain=0&select=count").await;
    assert_eq!(answer, json!([{"count": 9}]));
}
