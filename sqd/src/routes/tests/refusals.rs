//! Who is refused, and what a store that cannot write still does.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_needed() {
    let server = Fixture::with(Options::default(), Some("secret"));
    for (line, headers, status, expected) in [
        ("GET version", "", 401, "Unauthorized"),
        ("GET unknown", "", 401, "Unauthorized"),
        (
            "POST update?p=a",
            "Authorization: wrong\r\n",
            401,
            "Unauthorized",
        ),
        (
            "POST update?p=a",
            "Authorization: Basic secret\r\n",
            401,
            "Unauthorized",
        ),
        (
            "POST update?p=a",
            "Authorization: secret\r\n",
            200,
            "Updated 1 bytes",
        ),
        (
            "GET select?p=a",
            "authorization: bearer secret\r\n",
            200,
            "x",
        ),
        ("GET select?p=a", "X-SQ-API-Key: secret\r\n", 200, "x"),
        (
            "GET select?p=a",
            "X-SQ-API-Key: secre\r\n",
            401,
            "Unauthorized",
        ),
        ("OPTIONS select", "", 204, ""),
        ("GET /livez", "", 200, "ok"),
        ("GET /readyz", "", 200, "ready"),
    ] {
        let body = if line.starts_with("POST") { "x" } else { "" };
        let found = server.ask(line, headers, body).await;
        assert_eq!(
            (found.status, found.body.as_str()),
            (status, expected),
            "{line} {headers}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_their_own() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tenants.json");
    let write = |tenants: &[(&str, &str)]| {
        let tenant = |(token, name): &(&str, &str)| {
            let data_dir = directory.path().join(name);
            (
                token.to_string(),
                serde_json::json!({"name": name, "data_dir": data_dir}),
            )
        };
        let tenants: serde_json::Map<_, _> = tenants.iter().map(tenant).collect();
        fs::write(&file, serde_json::json!({ "tenants": tenants }).to_string()).unwrap();
    };
    write(&[("t1", "one"), ("t2", "two")]);
    let tenants = Tenants::from_file(&file, Options::default()).unwrap();
    let app = App::new(tenants, Cores::start(None).unwrap());
    let check = async |token: &str, line: &str, body: &str, status: u16, expected: &str| {
        let headers = format!("Authorization: Bearer {token}\r\n");
        let found = read(app.handle(request(line, &headers, body.to_owned())).await).await;
        assert_eq!(
            (found.status, found.body.as_str()),
            (status, expected),
            "{token} {line}"
        );
    };
    check("t1", "POST update?p=a", "of one", 200, "Updated 6 bytes").await;
    check("t2", "GET select?p=a", "", 200, "").await;
    check("t2", "GET list", "", 200, "[]").await;
    check("t2", "POST update?p=a", "of two", 200, "Updated 6 bytes").await;
    check("t1", "GET select?p=a", "", 200, "of one").await;
    check(
        "t1",
        "GET select?p=..%2Ftwo%2Fa",
        "",
        403,
        "Forbidden: invalid phext name: it holds a slash, a backslash or a NUL",
    )
    .await;
    check("t3", "GET list", "", 401, "Unauthorized").await;

    // A token more, a token less, and one that moved.
    write(&[("t1", "one"), ("t3", "three"), ("t4", "two")]);
    check("t3", "GET list", "", 401, "Unauthorized").await;
    check("", "POST reload", "", 200, "Config reload triggered").await;
    check("t1", "GET select?p=a", "", 200, "of one").await;
    check("t2", "GET list", "", 401, "Unauthorized").await;
    check("t3", "GET list", "", 200, "[]").await;
    check("t4", "GET select?p=a", "", 200, "of two").await;

    // A file that is no tenant file changes nothing.
    fs::write(&file, "{").unwrap();
    let found = read(app.handle(request("POST reload", "", "")).await).await;
    assert_eq!(found.status, 500);
    check("t1", "GET select?p=a", "", 200, "of one").await;

    // From another machine.
    let mut remote = request("POST reload", "Authorization: t1\r\n", "");
    remote.peer = ([10, 0, 0, 1], 1).into();
    let found = read(app.handle(remote).await).await;
    let text = "Forbidden: Reload endpoint only accessible from localhost";
    assert_eq!((found.status, found.body.as_str()), (403, text));
    let found = read(app.handle(request("GET /readyz", "", "")).await).await;
    assert_eq!((found.status, found.body.as_str()), (200, "ready"));
}

/// Routes over a store on a medium in memory.
fn over_memory() -> (Fixture, MemoryVfs) {
    let vfs = MemoryVfs::new();
    let options = Options {
        background: false,
        ..Options::default()
    };
    let store = Store::open_with(Arc::new(vfs.clone()), Path::new("/data"), options).unwrap();
    let directory = TempDir::new().unwrap();
    let library = Arc::new(Library::over(store, directory.path()));
    let app = App::new(
        Tenants::Single { key: None, library },
        Cores::start(None).unwrap(),
    );
    (Fixture { app, directory }, vfs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_store_is_read_only() {
    let (server, vfs) = over_memory();
    server
        .check("POST update?p=a", "kept", 200, "Updated 4 bytes")
        .await;
    vfs.set_fault(Some(Fault::Fail {
        at: vfs.operations(),
        kind: std::io::ErrorKind::Other,
    }));
    let found = server.ask("POST update?p=a", "", "lost").await;
    assert_eq!(found.status, 500);
    vfs.set_fault(None);
    let cause = server.tenants().libraries()[0]
        .store()
        .poison()
        .unwrap()
        .to_owned();
    let refused = StoreError::Poisoned {
        cause: cause.clone(),
    }
    .to_string();
    for line in ["POST update?p=a", "POST insert?p=b", "DELETE delete?p=a"] {
        server.check(line, "x", 503, &refused).await;
    }
    let ready = format!("writes are refused: {cause}");
    server.check("GET /readyz", "", 503, &ready).await;
    server
        .check_gets(&[("/livez", "ok"), ("get?p=a", "kept"), ("list", "[\"a\"]")])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_until_there_is_space() {
    let (server, vfs) = over_memory();
    server
        .check("POST update?p=a", "kept", 200, "Updated 4 bytes")
        .await;
    let from = vfs.operations();
    vfs.set_fault(Some(Fault::Full { from }));
    // More than the log has reserved.
    let found = server.ask("POST update?p=a", "", "x".repeat(9 << 20)).await;
    assert_eq!(found.status, 507, "{}", found.body);
    server
        .check_gets(&[("get?p=a", "kept"), ("/readyz", "ready")])
        .await;
    vfs.set_fault(None);
    server
        .check("POST update?p=a", "again", 200, "Updated 5 bytes")
        .await;
}

#[test]
fn refusals() {
    let check = |error: StoreError, status: u16| {
        let text = error.to_string();
        let refusal = Refusal::from(LibraryError::Store(error.clone()));
        assert_eq!((refusal.status, refusal.text), (status, text.clone()));
        let refusal = Refusal::from(ExecuteError::Store(error));
        assert_eq!((refusal.status, refusal.text), (status, text));
    };
    check(StoreError::Closed, 503);
    check(
        StoreError::Poisoned {
            cause: "x".to_owned(),
        },
        503,
    );
    check(StoreError::DiskFull { path: "log".into() }, 507);
    check(StoreError::Name { reason: "x" }, 403);
    let (path, offset, what) = ("segment".into(), 4, "x".to_owned());
    check(StoreError::Corrupt { path, offset, what }, 500);
}
