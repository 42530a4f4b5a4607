//! Long reads on the core pool: that they answer as short ones do, and end when their client goes.

use super::*;
use crate::http;
use crate::routes::rendered::{Format, Rendering};
use phext_query::{Chunk, Chunks, Fields, Order, OrderKey, Plan, PoolOptions, Query, ResultRow};
use phext_storage::Phext;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// Nothing here takes this long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn cores(workers: usize, inline_lanes: u64) -> Arc<Cores> {
    let options = PoolOptions {
        workers,
        inline_lanes: Some(inline_lanes),
        piece_lanes: 64,
        ..PoolOptions::default()
    };
    Cores::with(&options, None).unwrap()
}

fn put(library: &Library, scrolls: impl Iterator<Item = (Coordinate, String)>) {
    let put = |(coordinate, text)| WriteOp::Put {
        coordinate,
        text: Bytes::from(text),
    };
    let (phext, operations) = ("a".to_owned(), scrolls.map(put).collect());
    library
        .store()
        .commit(WriteBatch { phext, operations })
        .unwrap();
}

/// Scrolls here and there, some far from the one before, in a segment and in memory.
fn scattered(library: &Library) {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let mut scrolls = |count: u32| -> Vec<_> {
        let mut scroll = |_| {
            let mut components = [1; 9];
            for component in &mut components[4..] {
                *component = random(5) as u32 + 1;
            }
            if random(100) == 0 {
                components[8] = random(60_000) as u32 + 1;
            }
            let words = random(40) as usize;
            let text = format!("{} \u{e9}\"{}", random(9), "word\n".repeat(words));
            (Coordinate::new(components).unwrap(), text)
        };
        (0..count).map(&mut scroll).collect()
    };
    put(library, scrolls(3000).into_iter());
    library.store().seal().unwrap();
    put(library, scrolls(300).into_iter());
}

/// What is asked: route, parameters and body.
fn requests(library: &Library) -> Vec<(String, String)> {
    let phext = Arc::clone(library.snapshot().phext("a").unwrap());
    let mut manifest = String::new();
    let mut line = 0;
    let mut sink = |row: &ResultRow<'_>| {
        line += 1;
        let (coordinate, checksum) = (row.coordinate.unwrap(), row.checksum.unwrap());
        // A third is known, a third is known otherwise, a third is not known.
        match line % 3 {
            0 => manifest += &format!("{coordinate}: {checksum:032x}\n"),
            1 => manifest += &format!("{coordinate}: other\n"),
            _ => {}
        }
        Ok(phext_query::Flow::Continue)
    };
    let fields = Fields {
        checksum: true,
        ..Fields::default()
    };
    phext_query::run(&Query::all(fields), &phext, &mut sink).unwrap();
    manifest += "1.1.1/1.1.1/1.1.1: x\n1.1.1/1.3.3/3.3.9: y\n9.1.1/1.1.1/1.1.1: z\n";
    let range = "from=1.1.1/1.1.1/1.1.2&to=1.1.1/1.4.1/2.1.1";
    let set: Vec<_> = (1..400)
        .map(|n| format!("1.1.1/1.{}.{}/1.{}.1", n % 6 + 1, n % 7 + 1, n % 5 + 1))
        .collect();
    let all = "match=**";
    let mut requests: Vec<(String, String)> = [
        "GET get?p=a".to_owned(),
        "GET export?p=a".to_owned(),
        "GET status?p=a".to_owned(),
        "GET checksum?p=a".to_owned(),
        "GET toc?p=a".to_owned(),
        "GET toc?p=a&c=1.1.1/1.2&limit=70".to_owned(),
        "GET json-export?p=a".to_owned(),
        "GET delta?p=a".to_owned(),
        format!("GET query?p=a&{range}"),
        format!("GET query?p=a&{range}&limit=100"),
        format!("GET query?p=a&{all}&select=coordinate,text,length,checksum"),
        format!("GET query?p=a&{all}&contains=word&select=coordinate&limit=333"),
        format!("GET query?p=a&{all}&select=count"),
        format!("GET query?p=a&{all}&select=count&limit=0"),
        format!("GET query?p=a&{all}&select=count,sum(length),min(length),max(length)"),
        format!("GET query?p=a&{all}&group=section"),
        format!("GET query?p=a&{all}&group=8&select=count,sum(length)&order=-count"),
        format!("GET query?p=a&{all}&order=-length&limit=50"),
        format!("GET query?p=a&{all}&order=length"),
        format!("GET query?p=a&{all}&order=-coordinate&contains=3&limit=99"),
        "GET query?p=a&nearest=1.1.1/1.3.3/3.3.3&k=200".to_owned(),
        "GET query?p=a&nearest=1.1.1/1.3.3/3.3.3&k=200&order=coordinate".to_owned(),
        format!("GET query?p=a&nearest=1.1.1/1.3.3/3.3.3&k=90&{range}&order=-distance"),
        format!("GET query?p=a&{range}&bytes=2-9"),
    ]
    .map(|line| (line, String::new()))
    .into();
    requests.push(("POST delta?p=a".to_owned(), manifest));
    requests.push(("POST query?p=a".to_owned(), set.join("\n")));
    requests.push((format!("POST query?p=a&{range}"), set.join(",")));
    requests
}

fn app(library: &Arc<Library>, cores: Arc<Cores>) -> App {
    let library = Arc::clone(library);
    App::new(Tenants::Single { key: None, library }, cores)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_answers_as_the_thread_of_a_connection() {
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    scattered(&library);
    let here = app(&library, cores(1, u64::MAX));
    let pooled = Arc::new(app(&library, cores(3, 0)));
    let requests = Arc::new(requests(&library));
    let mut expected = Vec::new();
    for (line, body) in &*requests {
        // What was kept of an answer is computed again.
        put(
            &library,
            std::iter::once((Coordinate::ORIGIN, "new".to_owned())),
        );
        let answer = read(here.handle(request(line, "", body.clone())).await).await;
        assert_eq!(answer.status, 200, "{line}: {}", answer.body);
        expected.push(answer);
    }
    assert_eq!(here.cores.pool.streams(), 0);
    put(
        &library,
        std::iter::once((Coordinate::ORIGIN, "new".to_owned())),
    );
    let expected = Arc::new(expected);
    let asking = (0..4).map(|start| {
        let (pooled, requests, expected) = (
            Arc::clone(&pooled),
            Arc::clone(&requests),
            Arc::clone(&expected),
        );
        tokio::spawn(async move {
            for at in (start..requests.len()).chain(0..start) {
                let (line, body) = &requests[at];
                let answer = read(pooled.handle(request(line, "", body.clone())).await).await;
                assert!(
                    answer == expected[at],
                    "{line}: {answer:?}, not {:?}",
                    expected[at]
                );
            }
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_in_steps_stream() {
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    let text = |n: u32| "line\n".repeat(22_000 + n as usize);
    let at = |n| Coordinate::new([1, 1, 1, 1, 1, 1, 1, n, 1]).unwrap();
    put(&library, (1..=90).map(|n| (at(n), text(n))));
    let line = "GET query?p=a&match=**&order=-length&select=text";
    let expected = server.ask(line, "", "").await;
    assert!(expected.body.len() > 9 << 20);
    let pooled = app(&library, cores(2, 0));
    let response = pooled.handle(request(line, "", "")).await;
    assert!(matches!(response.body, Body::Stream { .. }));
    assert!(read(response).await == expected);
    // A client that goes away ends the work.
    drop(pooled.handle(request(line, "", "")).await);
    until(|| pooled.cores.pool.streams() == 0).await;
}

/// Its length is kept, but not beyond a change.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_table_of_contents_streams() {
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    let at = |n| Coordinate::new([1, 1, 1, 1, 1, 1, 1, n, 1]).unwrap();
    put(
        &library,
        (1..=90).map(|n| (at(n), "long ".repeat(22_000 + n as usize))),
    );
    let (here, pooled) = (
        app(&library, cores(1, u64::MAX)),
        app(&library, cores(2, 0)),
    );
    let line = "GET toc?p=a";
    let mut lengths = Vec::new();
    for last in ["short", "longer"] {
        put(&library, std::iter::once((at(90), last.to_owned())));
        let expected = read(here.handle(request(line, "", "")).await).await;
        lengths.push(expected.body.len());
        for _ in 0..2 {
            let response = pooled.handle(request(line, "", "")).await;
            assert!(matches!(response.body, Body::Stream { .. }));
            assert!(read(response).await == expected);
        }
    }
    assert_eq!(lengths[1], lengths[0] + 1);
    assert!(lengths[0] > 9 << 20);
}

/// Lines that are counted when they are written.
struct Written<const SHOWS_ITS_END: bool>(Arc<AtomicU64>);

impl<const SHOWS_ITS_END: bool> Format for Written<SHOWS_ITS_END> {
    const END: &'static str = if SHOWS_ITS_END { "]" } else { "" };

    fn write(&self, row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        out.extend_from_slice(row.text.unwrap_or_default());
        Ok(())
    }
}

/// Asks for 9 MiB of text, in 90 scrolls, and says how many rows were written for it.
async fn rows_written<const SHOWS_ITS_END: bool>(library: &Arc<Library>, query: &Query) -> u64 {
    let phext = Arc::clone(library.snapshot().phext("a").unwrap());
    let (cores, written) = (cores(2, 0), Arc::new(AtomicU64::new(0)));
    let lines = Rendering::new(Written::<SHOWS_ITS_END>(Arc::clone(&written)));
    let plan = Plan::new(query).unwrap();
    let answer = cores.answer(plan, Some(phext), library, TEXT, lines).await;
    let response = answer.unwrap();
    let length = match &response.body {
        Body::Stream { length, .. } => *length,
        Body::Full(_) => panic!("the answer is too long for memory"),
    };
    assert_eq!(length.is_none(), SHOWS_ITS_END);
    assert!(read(response).await.body.len() > 9 << 20);
    written.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_that_shows_its_end_is_made_once() {
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    let at = |n| Coordinate::new([1, 1, 1, 1, 1, 1, 1, n, 1]).unwrap();
    let text = |n| "line\n".repeat(22_000 + n as usize);
    put(&library, (1..=90).map(|n| (at(n), text(n))));
    let direct = Query::all(Fields::TEXT);
    let steps = Query {
        order: Some(Order {
            key: OrderKey::Length,
            descending: true,
        }),
        ..direct.clone()
    };
    for query in [direct, steps] {
        assert_eq!(rows_written::<true>(&library, &query).await, 90);
        assert_eq!(rows_written::<false>(&library, &query).await, 180);
    }
}

/// Whoever does not read stops the run, and whoever goes ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_waits_for_its_client() {
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    let at = |n| Coordinate::new([1, 1, 1, 1, 1, 1, 1, n, 1]).unwrap();
    let text = "line\n".repeat(200_000);
    put(&library, (1..=90).map(|n| (at(n), text.clone())));
    let phext = Arc::clone(library.snapshot().phext("a").unwrap());
    let by_length = Query {
        order: Some(Order::ascending(OrderKey::Length)),
        ..Query::all(Fields::TEXT)
    };
    for query in [Query::all(Fields::TEXT), by_length] {
        let (cores, written) = (cores(2, 0), Arc::new(AtomicU64::new(0)));
        let lines = Rendering::new(Written::<true>(Arc::clone(&written)));
        let plan = Plan::new(&query).unwrap();
        let answer = cores.answer(plan, Some(Arc::clone(&phext)), &library, TEXT, lines);
        let response = answer.await.unwrap();
        let mut before = 0;
        until(|| std::mem::replace(&mut before, written.load(Ordering::Relaxed)) == before).await;
        sleep(Duration::from_millis(50)).await;
        assert!(written.load(Ordering::Relaxed) < 70, "{query:?}");
        assert_eq!(cores.pool.streams(), 1);
        drop(response);
        until(|| cores.pool.streams() == 0).await;
    }
}

/// A search for the nearest holds what it found, so that a number without bound would be memory without
/// bound.
#[tokio::test(flavor = "multi_thread")]
async fn more_of_the_nearest_than_are_held_are_refused() {
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    let at = |n: u32| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1 + (n >> 16), 1 + (n & 0xffff)]);
    for chapter in 0..=16 {
        let scrolls = match chapter {
            16 => 16 << 16..(16 << 16) + 1,
            _ => chapter << 16..(chapter + 1) << 16,
        };
        put(&library, scrolls.map(|n| (at(n).unwrap(), "x".to_owned())));
    }
    let near = "GET query?p=a&nearest=1.1.1/1.1.1/1.1.1&select=coordinate";
    for cores in [cores(1, u64::MAX), cores(1, 0)] {
        let app = app(&library, cores);
        let ask = async |more: &str| {
            let line = format!("{near}&{more}");
            read(app.handle(request(&line, "", "")).await).await
        };
        for more in ["k=4294967295", "radius=1000000", "k=4294967295&starts=x"] {
            let answer = ask(more).await;
            assert_eq!(answer.status, 413, "{more}: {}", answer.body);
            assert!(answer.body.contains("1048576"), "{more}: {}", answer.body);
        }
        for more in [
            "k=4294967295&limit=2",
            "k=4294967295&limit=2&starts=x",
            "radius=1",
        ] {
            let answer = ask(more).await;
            assert_eq!(answer.status, 200, "{more}: {}", answer.body);
            assert!(answer.body.contains("1.1.1/1.1.1/1.1.2"), "{more}");
        }
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it comes to be so");
}

/// Keeps a worker until it is told to go on.
#[derive(Debug, Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open));
    }
}

struct Holding(Arc<Gate>);

impl Chunk for Holding {
    fn add(&mut self, _: &ResultRow<'_>) -> io::Result<()> {
        self.0.pass();
        Ok(())
    }

    fn bytes(&self) -> usize {
        0
    }

    fn rows(&self) -> u64 {
        0
    }

    fn truncate(&mut self, _: u64) {}
}

/// Holds the only worker of a pool.
fn hold(cores: &Cores, phext: Arc<Phext>) -> (Arc<Gate>, Chunks<Holding>) {
    let gate = Arc::new(Gate::default());
    let plan = Plan::new(&Query::all(Fields::default())).unwrap();
    let held = Arc::clone(&gate);
    let holding = cores
        .pool
        .submit_with(plan.into_work(phext, 1, None), move || {
            Holding(Arc::clone(&held))
        });
    (gate, holding)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_ends_when_its_client_goes() {
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    scattered(&library);
    let phext = Arc::clone(library.snapshot().phext("a").unwrap());
    let app = Arc::new(app(&library, cores(1, 0)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = http::Options::default();
    let never = std::future::pending();
    let serving = tokio::spawn(http::serve(listener, Arc::clone(&app), options, never));
    let (gate, holding) = hold(&app.cores, phext);
    let streams = || app.cores.pool.streams();
    let ask = async |line: &str, fields: &str| {
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = format!("GET /api/v2/{line} HTTP/1.1\r\n{fields}\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        until(|| streams() == 2).await;
        client
    };
    // Nothing of an answer was made when the client goes.
    for line in [
        "get?p=a",
        "toc?p=a",
        "status?p=a",
        "checksum?p=a",
        "json-export?p=a",
        "delta?p=a",
        "query?p=a&from=1.1.1/1.1.1/1.1.1&to=9.1.1/1.1.1/1.1.1",
        "query?p=a&match=**&select=count",
        "query?p=a&match=**&select=sum(length)",
        "query?p=a&match=**&order=-length",
    ] {
        for fields in ["", "Connection: close\r\n"] {
            drop(ask(line, fields).await);
            until(|| streams() == 1).await;
        }
    }
    // One that sends no more, and reads, is there.
    let mut client = ask("query?p=a&match=**&order=-length&limit=1", "").await;
    client.shutdown().await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(streams(), 2);
    gate.open();
    let mut answer = String::new();
    let reading = timeout(PATIENCE, client.read_to_string(&mut answer));
    reading.await.unwrap().unwrap();
    let answer = answer
        .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(holding);
    until(|| streams() == 0).await;
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_past_its_deadline_is_told_so() {
    let server = Fixture::new();
    let library = Arc::clone(&server.tenants().libraries()[0]);
    scattered(&library);
    let options = PoolOptions {
        workers: 1,
        inline_lanes: Some(0),
        ..PoolOptions::default()
    };
    let late = Cores::with(&options, Some(Duration::ZERO)).unwrap();
    let app = app(&library, late);
    for line in [
        "GET toc?p=a",
        "GET checksum?p=a",
        "GET delta?p=a",
        "GET query?p=a&match=**",
        "GET query?p=a&match=**&select=sum(length)",
        "GET query?p=a&match=**&order=-length",
        "GET query?p=a&match=**&order=-length&explain=1",
    ] {
        let answer = read(app.handle(request(line, "", "")).await).await;
        assert_eq!(answer.status, 503, "{line}: {}", answer.body);
        assert!(
            answer.body.contains("took longer"),
            "{line}: {}",
            answer.body
        );
    }
}
