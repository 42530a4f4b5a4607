//! Routes that read: what each answers, and how long answers are sent.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn reads_create_no_phext() {
    let server = Fixture::new();
    server
        .check_gets(&[
            ("select?p=a&c=1.1.1/1.1.1/1.1.1", ""),
            ("select", ""),
            ("toc?p=a", ""),
            ("get?p=a", ""),
            ("delta?p=a", ""),
            ("json-export?p=a", "[\n]\n"),
            ("checksum?p=a", "99aa06d3014798d86001c324468d497f"),
            ("load?p=a", "Loaded a.phext"),
            ("delete?p=a&c=1", "Removed 0 bytes"),
            (
                "status?p=a",
                "Hosting: a.phext\nConnection ID: 1\nPhext Size: 0\nScrolls: 0",
            ),
            (
                "status",
                "Hosting: .phext\nConnection ID: 1\nPhext Size: 0\nScrolls: 0",
            ),
            (
                "query?p=a&from=1.1.1/1.1.1/1.1.1&to=9.9.9/9.9.9/9.9.9",
                "[]",
            ),
            ("list", "[]"),
        ])
        .await;
}

/// A phext `a` whose scrolls hold the last component of their coordinates, and more.
async fn numbered(coordinates: &[&str]) -> Fixture {
    let server = Fixture::new();
    for coordinate in coordinates {
        let line = format!("POST update?p=a&c={coordinate}");
        let text = coordinate.rsplit('.').next().unwrap().to_owned();
        assert_eq!(server.ask(&line, "", text).await.status, 200);
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_contents() {
    let server = numbered(&[
        "1.1.1/1.1.1/1.1.1",
        "1.2.1/1.1.1/1.1.3",
        "1.2.3/4.5.6/7.8.8",
        "1.2.3/4.5.6/7.8.9",
        "2.1.1/1.1.1/1.1.2",
    ])
    .await;
    let lines = [
        "* 1.1.1/1.1.1/1.1.1: 1\n",
        "* 1.2.1/1.1.1/1.1.3: 3\n",
        "* 1.2.3/4.5.6/7.8.8: 8\n",
        "* 1.2.3/4.5.6/7.8.9: 9\n",
        "* 2.1.1/1.1.1/1.1.2: 2\n",
    ];
    for (parameters, range) in [
        ("", 0..5),
        ("&c=", 0..5),
        ("&c=*", 0..5),
        ("&c=1", 0..4),
        ("&c=+1+", 0..4),
        ("&c=1.2", 1..4),
        ("&c=1.2.*", 1..4),
        ("&c=1.2.*/*.*.*/*.*.*", 1..4),
        ("&c=1.2.3/4.5.6/7.8.9", 3..4),
        ("&c=1.2.3%2F4;5", 2..4),
        ("&c=2147483647", 0..0),
        ("&c=4294967295", 0..0),
        ("&c=9", 0..0),
        ("&limit=", 0..5),
        ("&limit=0", 0..0),
        ("&limit=2", 0..2),
        ("&limit=99", 0..5),
        ("&c=1.2&limit=1", 1..2),
    ] {
        let line = format!("GET toc?p=a{parameters}");
        server.check(&line, "", 200, &lines[range].concat()).await;
    }
    let prefix = |field: &str| {
        format!(
            "Bad Request: prefix `c`: `{field}` is not a number from 1; a prefix is up to nine numbers, such as 1.2.3/4"
        )
    };
    let long = "x".repeat(100_000);
    for (parameters, expected) in [
        ("&c=x".to_owned(), prefix("x")),
        ("&c=1.0".to_owned(), prefix("0")),
        ("&c=1.*.2".to_owned(), prefix("*")),
        ("&c=1.2.".to_owned(), prefix("")),
        ("&c=1.1.1/1.1.1/1.1.1/7".to_owned(), prefix("7")),
        (
            format!("&c={long}"),
            prefix(&format!("{}...", "x".repeat(64))),
        ),
        (
            "&limit=x".to_owned(),
            "Bad Request: invalid limit: x".to_owned(),
        ),
        (
            "&limit=-1".to_owned(),
            "Bad Request: invalid limit: -1".to_owned(),
        ),
        (
            "&limit=1.5".to_owned(),
            "Bad Request: invalid limit: 1.5".to_owned(),
        ),
    ] {
        for phext in ["a", "unknown"] {
            let line = format!("GET toc?p={phext}{parameters}");
            server.check(&line, "", 400, &expected).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries() {
    let server = numbered(&[
        "1.1.1/1.1.1/1.1.1",
        "1.1.1/1.1.1/1.1.2",
        "1.1.1/1.1.1/1.1.5",
        "1.1.1/1.1.1/1.2.3",
    ])
    .await;
    // The last components of the answer's coordinates, those of empty scrolls in parentheses.
    let check = async |parameters: &str, body: &str, expected: &str| {
        let line = format!("POST query?p=a&{parameters}");
        let found = server.ask(&line, "", body.to_owned()).await;
        assert_eq!(found.status, 200, "{line}: {}", found.body);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&found.body).unwrap();
        let show = |row: &serde_json::Value| {
            let coordinate = row["coordinate"].as_str().unwrap();
            let last = coordinate.rsplit('.').next().unwrap();
            match row["scroll"].as_str().unwrap() {
                "" => format!("({last})"),
                text => text.to_owned(),
            }
        };
        let found: Vec<_> = rows.iter().map(show).collect();
        assert_eq!(found.join(" "), expected, "{line} {body}");
    };
    let at = |numbers: &[u32], separator: &str| {
        let coordinate = |n| format!("1.1.1/1.1.1/1.1.{n}");
        let items: Vec<_> = numbers.iter().map(coordinate).collect();
        items.join(separator)
    };
    let range = |from, to| format!("from=1.1.1/1.1.1/1.1.{from}&to=1.1.1/1.1.1/1.1.{to}");
    let set = |numbers: &[u32]| format!("set={}", at(numbers, ","));
    check(&range(1, 5), "", "1 2 5").await;
    check(&range(2, 2), "", "2").await;
    check(&range(3, 4), "", "").await;
    check("from=1.1.1/1.1.1/1.1.2&to=9.1.1/1.1.1/1.1.1", "", "2 5 3").await;
    check(&set(&[5, 9, 1]), "", "1 5 (9)").await;
    check(&set(&[5, 5, 1, 5]), "", "1 5").await;
    check(
        &format!("{}&{}", range(1, 2), set(&[2, 5, 9])),
        "",
        "1 2 5 (9)",
    )
    .await;
    check("", &at(&[2, 1], "\n"), "1 2").await;
    check("", &at(&[2, 1], "\r\n"), "1 2").await;
    check("", &at(&[2, 1], " ; "), "1 2").await;
    check("", &format!(",,{},\n;", at(&[2], "")), "2").await;
    check(&range(5, 5), &at(&[1], ""), "1 5").await;
    check(&set(&[2]), &at(&[1], ""), "2").await;
    check(&format!("{}&limit=2", range(1, 5)), "", "1 2").await;
    check(&format!("{}&limit=0", range(1, 5)), "", "").await;
    check(&format!("{}&limit=", range(1, 5)), "", "1 2 5").await;
    check(&format!("{}&limit=2", set(&[9, 8, 1])), "", "1 (8)").await;

    let long = "x".repeat(100_000);
    let cut = "x".repeat(64);
    let none = "query needs a range (from + to) or a set of coordinates";
    for (parameters, expected) in [
        ("", none.to_owned()),
        ("&set=", none.to_owned()),
        ("&set=,%0A;", none.to_owned()),
        ("&from=&to=", none.to_owned()),
        (
            "&from=1.1.1/1.1.1/1.1.1",
            "a range needs both 'from' and 'to'".to_owned(),
        ),
        (
            "&to=1.1.1/1.1.1/1.1.1",
            "a range needs both 'from' and 'to'".to_owned(),
        ),
        (
            "&from=1&to=1.1.1/1.1.1/1.1.1",
            "invalid 'from' coordinate: 1".to_owned(),
        ),
        (
            "&from=1.1.1/1.1.1/1.1.1&to=x",
            "invalid 'to' coordinate: x".to_owned(),
        ),
        (
            "&from=1.1.1/1.1.1/1.1.2&to=1.1.1/1.1.1/1.1.1",
            "'from' (1.1.1/1.1.1/1.1.2) is after 'to' (1.1.1/1.1.1/1.1.1)".to_owned(),
        ),
        (
            "&set=1.1.1/1.1.1/1.1.1,home",
            "invalid coordinate in set: home".to_owned(),
        ),
        (
            "&set=1.1.1/1.1.1/1.1.0",
            "invalid coordinate in set: 1.1.1/1.1.1/1.1.0".to_owned(),
        ),
        (
            "&set=1.1.1/1.1.1/1.1.1&limit=x",
            "invalid limit: x".to_owned(),
        ),
        (
            &format!("&set={long}"),
            format!("invalid coordinate in set: {cut}..."),
        ),
        (
            &format!("&from={long}&to=x"),
            format!("invalid 'from' coordinate: {cut}..."),
        ),
    ] {
        let line = format!("GET query?p=a{parameters}");
        let expected = format!("Bad Request: {expected}");
        server.check(&line, "", 400, &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas() {
    const MISSING: &str = "---sq:Scroll-Missing---";
    let server = numbered(&[
        "1.1.1/1.1.1/1.1.1",
        "1.1.1/1.1.1/1.1.2",
        "1.1.1/1.1.1/1.2.1",
    ])
    .await;
    let hash = |text: &str| format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    let (one, two, odd) = (hash("1"), hash("2"), hash("odd"));
    let line = |c: &str, checksum: &str| format!("1.1.1/1.1.1/1.{c}: {checksum}\n");
    let check = async |manifest: &str, expected: &str| {
        server
            .check("POST delta?p=a", manifest.to_owned(), 200, expected)
            .await;
    };
    let all = "1\x172\x181";
    check("", all).await;
    check("\n\n", all).await;
    check("no manifest at all", all).await;
    check(&line("1.1", &one), "\x172\x181").await;
    check(&line("1.1", &odd), all).await;
    check(&line("1.1", ""), all).await;
    check(&line("1.1", &one.to_uppercase()), all).await;
    // Everything known: nothing differs.
    let known = [line("1.1", &one), line("1.2", &two), line("2.1", &one)];
    check(&known.concat(), "").await;
    // In any order, with what is no manifest line in between, and with CRLF.
    let odd_order = [&known[2], "garbage\n:\n", &known[0], &known[1]];
    check(&odd_order.concat(), "").await;
    check(&known.concat().replace('\n', "\r\n"), "").await;
    // Of two lines for a coordinate the later counts.
    check(&[line("1.1", &odd), known.concat()].concat(), "").await;
    check(&[known.concat(), line("1.1", &odd)].concat(), "1").await;
    // What the server lacks, before, between and after what it has.
    let lacks = [line("1.3", &odd), line("3.9", &odd)].concat();
    check(
        &[known.concat(), lacks.clone()].concat(),
        &format!("\x17\x17{MISSING}\x18\x18{}{MISSING}", "\x17".repeat(8)),
    )
    .await;
    check(
        &lacks,
        &format!("1\x172\x17{MISSING}\x181\x18{}{MISSING}", "\x17".repeat(8)),
    )
    .await;
    // Partial coordinates are read as everywhere.
    check(&format!("1: {one}"), "\x172\x181").await;
    for (manifest, number) in [("x: y", 1), ("1: a\n0: b", 2)] {
        let found = server.ask("POST delta?p=a", "", manifest).await;
        assert_eq!(found.status, 400);
        let start = format!("Bad Request: manifest line {number}: ");
        assert!(found.body.starts_with(&start), "{}", found.body);
    }
    // A phext that is not there lacks everything.
    server
        .check("POST delta?p=b", line("1.1", &one), 200, MISSING)
        .await;
    let line = format!("GET delta?p=a&s={}", escape(known.concat()));
    server.check(&line, "", 200, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_valid() {
    let server = Fixture::new();
    let breaks = [0x01, 0x17, 0x18, 0x19, 0x1A, 0x1C, 0x1D, 0x1E, 0x1F];
    let control: String = (0..0x20_u8)
        .filter(|byte| !breaks.contains(byte))
        .map(char::from)
        .collect();
    let texts = [
        control.as_str(),
        "\"quoted\" \\ back / slash",
        "\u{7f}\u{80}\u{e9}\u{2028}\u{fffd}\u{1F600}",
        "{\"json\": [1, 2]}",
        "\r\n\t",
        "</script>",
    ];
    for (text, n) in texts.iter().zip(1..) {
        let line = format!("POST update?p=a&c=1.1.1/1.1.1/1.1.{n}");
        assert_eq!(server.ask(&line, "", text.to_string()).await.status, 200);
    }
    let range = "from=1.1.1/1.1.1/1.1.1&to=2.1.1/1.1.1/1.1.1";
    for (path, coordinate) in [
        ("json-export?p=a".to_owned(), "coord"),
        (format!("query?p=a&{range}"), "coordinate"),
    ] {
        let found = server.ask(&format!("GET {path}"), "", "").await.body;
        let rows: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap();
        assert_eq!(rows.len(), texts.len());
        for ((row, text), n) in rows.iter().zip(texts).zip(1..) {
            assert_eq!(row[coordinate], format!("1.1.1/1.1.1/1.1.{n}"));
            assert_eq!(row["scroll"], *text);
        }
    }
    server
        .check("POST update?p=\"q\"", "x", 200, "Updated 1 bytes")
        .await;
    server.check("GET list", "", 200, r#"["\"q\"","a"]"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_stream() {
    let server = Fixture::new();
    let text = "a line of text\n".repeat(7_000);
    for n in 1..=90 {
        let line = format!("POST update?p=a&c=1.1.1/1.1.1/1.{n}.1");
        assert_eq!(server.ask(&line, "", text.clone()).await.status, 200);
    }
    let document = vec![text.clone(); 90].join("\x18");
    assert!(document.len() > 9 << 20);
    for route in ["get", "export", "delta"] {
        let found = server.ask(&format!("GET {route}?p=a"), "", "").await;
        assert!(found.body == document, "{route}");
    }
    let found = server.ask("GET json-export?p=a", "", "").await.body;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap();
    assert!(rows.len() == 90 && rows.iter().all(|row| row["scroll"] == *text));
    let checksum = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(document.as_bytes()));
    let bytes = document.len();
    let status = format!("Hosting: a.phext\nConnection ID: 1\nPhext Size: {bytes}\nScrolls: 90");
    server
        .check_gets(&[("checksum?p=a", &checksum), ("status?p=a", &status)])
        .await;
    // A table of contents whose lines alone are long.
    let line = "x".repeat(100_000);
    for n in 1..=90 {
        let request = format!("POST update?p=b&c=1.1.1/1.1.1/1.1.{n}");
        assert_eq!(server.ask(&request, "", line.clone()).await.status, 200);
    }
    let toc: String = (1..=90)
        .map(|n| format!("* 1.1.1/1.1.1/1.1.{n}: {line}\n"))
        .collect();
    assert!(server.ask("GET toc?p=b", "", "").await.body == toc);
    // A client that goes away ends the work, and nothing else.
    let dropped = server.app.handle(request("GET get?p=a", "", "")).await;
    assert!(matches!(dropped.body, Body::Stream { .. }));
    drop(dropped);
    server.check("GET select?p=a&c=9", "", 200, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_many_scrolls() {
    // More scrolls than are read on the thread of a connection, few bytes.
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    let operations = (1..=3000)
        .map(|n| WriteOp::Put {
            coordinate: Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, n]).unwrap(),
            text: Bytes::from("x"),
        })
        .collect();
    let phext = "a".to_owned();
    let batch = WriteBatch { phext, operations };
    library.store().commit(batch).unwrap();
    let document = vec!["x"; 3000].join("\x17");
    server
        .check_gets(&[
            ("get?p=a", &document),
            ("delta?p=a", &document),
            (
                "status?p=a",
                "Hosting: a.phext\nConnection ID: 1\nPhext Size: 5999\nScrolls: 3000",
            ),
        ])
        .await;
    let toc = server.ask("GET toc?p=a", "", "").await.body;
    assert_eq!(toc.lines().count(), 3000);
    assert_eq!(toc.lines().last(), Some("* 1.1.1/1.1.1/1.1.3000: x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn named_snapshots_are_read_as_they_were() {
    let server = Fixture::new();
    let at = "p=a&c=1.1.1/1.1.1/1.1.1";
    let update = format!("POST update?{at}");
    server.check(&update, "old", 200, "Updated 3 bytes").await;
    let libraries = server.tenants().libraries();
    libraries[0].store().create_snapshot("s").unwrap();
    server.check(&update, "newer", 200, "Updated 5 bytes").await;
    let query = "query?p=a&from=1.1.1/1.1.1/1.1.1&to=2.1.1/1.1.1/1.1.1&snapshot=s";
    server
        .check_gets(&[
            (&format!("select?{at}"), "newer"),
            (&format!("select?{at}&snapshot=s"), "old"),
            ("get?p=a&snapshot=s", "old"),
            ("get?p=b&snapshot=s", ""),
            ("toc?p=a&snapshot=s", "* 1.1.1/1.1.1/1.1.1: old\n"),
            (
                query,
                r#"[{"coordinate":"1.1.1/1.1.1/1.1.1","scroll":"old"}]"#,
            ),
        ])
        .await;
    libraries[0].store().drop_snapshot("s").unwrap();
    let said = "there is no snapshot named \"s\"";
    let gone = format!("GET select?{at}&snapshot=s");
    server.check(&gone, "", 404, said).await;
}
