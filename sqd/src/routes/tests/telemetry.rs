//! Who is told what of the server itself.

use super::*;
use phext_siw::telemetry::{Costs, Meter};

/// The status and body of an answer to a peer.
async fn ask_from(app: &App, peer: [u8; 4], path: &str, headers: &str) -> Read {
    let mut asked = request(&format!("GET {path}"), headers, "");
    asked.peer = (peer, 1).into();
    read(app.handle(asked).await).await
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [10, 0, 0, 1];

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_needs_no_token_and_others_need_the_key() {
    let server = Fixture::with(Options::default(), Some("k"));
    let check = async |peer, headers, status| {
        let found = ask_from(&server.app, peer, "/metrics", headers).await;
        assert_eq!(found.status, status, "{peer:?} {headers}");
    };
    check(HERE, "", 200).await;
    check(ELSEWHERE, "", 401).await;
    check(ELSEWHERE, "Authorization: x\r\n", 401).await;
    check(ELSEWHERE, "Authorization: k\r\n", 200).await;
    let found = ask_from(&server.app, ELSEWHERE, "/vTPU/telemetry", "").await;
    assert_eq!(found.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_all_tenants_stay_on_this_machine() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tenants.json");
    let data = directory.path().join("one");
    let tenants = format!(r#"{{"tenants": {{"t": {{"name": "one", "data_dir": {data:?}}}}}}}"#);
    fs::write(&file, tenants).unwrap();
    let tenants = Tenants::from_file(&file, Options::default()).unwrap();
    let app = App::new(tenants, Cores::start(None).unwrap());
    let found = ask_from(&app, ELSEWHERE, "/metrics", "Authorization: t\r\n").await;
    assert_eq!(found.status, 403);
    let found = ask_from(&app, HERE, "/metrics", "").await;
    assert_eq!(found.status, 200);
    assert!(found.body.contains("sqd_stores 1\n"), "{}", found.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_status() {
    let server = Fixture::new();
    for path in [
        "select?p=a",
        "select/x?p=a",
        "nowhere",
        "/nowhere",
        "/livez",
    ] {
        server.ask(&format!("GET {path}"), "", "").await;
    }
    let found = server.ask("GET /metrics", "", "").await;
    assert_eq!(
        found.content_type,
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for expected in [
        "sqd_requests_total{route=\"select\",status=\"200\"} 2",
        "sqd_requests_total{route=\"other\",status=\"404\"} 2",
        "sqd_requests_total{route=\"/livez\",status=\"200\"} 1",
    ] {
        assert!(
            found.body.contains(expected),
            "{expected} is not in\n{}",
            found.body
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_sample_is_told() {
    let server = Fixture::new();
    let found = server.ask("GET /vTPU/telemetry", "", "").await;
    assert_eq!(found.status, 503, "before the first sample");
    let app = Arc::new(server.app);
    let meter = Meter::open(Costs::default());
    let sampler = crate::telemetry::Sampler::start(Arc::clone(&app), meter, None).unwrap();
    while app.telemetry().latest().is_none() {
        std::thread::yield_now();
    }
    drop(sampler);
    let found = ask_from(&app, HERE, "/vTPU/telemetry", "").await;
    assert_eq!(
        (found.status, found.content_type),
        (200, "application/json")
    );
    let line: serde_json::Value = serde_json::from_str(&found.body).unwrap();
    assert!(line["ops_per_second"].is_u64());
    assert!(line["cross_node_bandwidth"].is_null());
}
