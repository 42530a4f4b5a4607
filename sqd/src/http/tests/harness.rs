//! A server with a handler that does what the path says, and a client that speaks raw bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::super::{Body, Handler, Method, Options, Parameters, Request, Response, serve};

/// Nothing in these tests takes this long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a `/slow` request takes.
pub(super) const SLOW: Duration = Duration::from_millis(300);

/// Answers by path; counts `/slow` requests as they start and end.
#[derive(Debug, Default)]
pub(super) struct Puppet {
    pub(super) started: AtomicUsize,
    pub(super) finished: AtomicUsize,
}

impl Handler for Puppet {
    async fn handle(&self, request: Request) -> Response {
        match &request.path[..] {
            b"/body" => Response::text(200, request.body),
            b"/ids" => Response::text(200, format!("{} {}", request.connection_id, request.id)),
            b"/who" => Response::json(200, format!("{} {:?}", request.peer.ip(), request.version)),
            b"/decode" => {
                let parameters = Parameters::parse(&request.query);
                Response::text(200, parameters.get("s").unwrap_or_default().to_owned())
            }
            b"/panic" => panic!("as asked"),
            b"/slow" => {
                self.started.fetch_add(1, Ordering::SeqCst);
                sleep(SLOW).await;
                self.finished.fetch_add(1, Ordering::SeqCst);
                Response::text(200, "slow")
            }
            b"/until-gone" => {
                self.started.fetch_add(1, Ordering::SeqCst);
                tokio::select! {
                    () = request.client.gone() => {
                        self.finished.fetch_add(1, Ordering::SeqCst);
                        Response::text(499, "gone")
                    }
                    () = sleep(SLOW) => Response::text(200, "there"),
                }
            }
            b"/large" => Response::text(200, vec![b'x'; 3_000_000]),
            b"/empty" => Response::text(204, "never sent"),
            b"/stream" => stream(Some(300_000), vec![Ok("y".repeat(30_000)); 10]),
            b"/stream-small" => stream(Some(6), vec![Ok("ab".to_owned()); 3]),
            b"/stream-short" => stream(Some(10), vec![Ok("abcd".to_owned())]),
            b"/stream-long" => stream(Some(3), vec![Ok("ab".to_owned()); 2]),
            b"/stream-fails" => stream(Some(10), vec![Ok("abcd".to_owned()), Err("disk")]),
            b"/open" => stream(None, vec![Ok("abcd".to_owned()), Ok(String::new())]),
            b"/open-short" => stream(None, vec![Ok("abcd".to_owned())]),
            b"/open-fails" => stream(None, vec![Ok("abcd".to_owned()), Err("disk")]),
            _ => echo(&request),
        }
    }
}

fn echo(request: &Request) -> Response {
    let mut text = format!("{} ", request.method).into_bytes();
    text.extend_from_slice(&request.path);
    text.push(b'?');
    text.extend_from_slice(&request.query);
    if request.method == Method::Post {
        text.push(b' ');
        text.extend_from_slice(&request.body);
    }
    Response::text(200, text)
}

fn stream(length: Option<u64>, pieces: Vec<Result<String, &'static str>>) -> Response {
    let (sender, chunks) = mpsc::channel(1);
    tokio::spawn(async move {
        for piece in pieces {
            let piece = piece.map(Bytes::from).map_err(io::Error::other);
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    Response::new(
        200,
        "application/octet-stream",
        Body::Stream { length, chunks },
    )
}

/// A running server.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    pub(super) puppet: Arc<Puppet>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<usize>,
}

impl TestServer {
    pub(super) async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let puppet = Arc::new(Puppet::default());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listener, Arc::clone(&puppet), options, shutdown));
        Self {
            address,
            puppet,
            stop,
            task,
        }
    }

    pub(super) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            input: Vec::new(),
        }
    }

    /// Waits until as many `/slow` requests have started.
    pub(super) async fn wait_started(&self, count: usize) {
        let wait = async {
            while self.puppet.started.load(Ordering::SeqCst) < count {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, wait)
            .await
            .expect("a slow request starts");
    }

    /// Waits until as many requests have finished.
    pub(super) async fn wait_finished(&self, count: usize) {
        let wait = async {
            while self.puppet.finished.load(Ordering::SeqCst) < count {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("a request finishes");
    }

    /// Begins the shutdown; the handle gives the number of unfinished connections.
    pub(super) fn stop(self) -> JoinHandle<usize> {
        self.stop.send(()).unwrap();
        self.task
    }
}

/// The client end of a connection.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    input: Vec<u8>,
}

/// A response taken apart.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Status line and header fields.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }
}

impl Client {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap()
            .unwrap();
    }

    /// The next response.
    pub(super) async fn answer(&mut self) -> Answer {
        let mut answer = self.answer_head().await;
        let length = answer
            .header("Content-Length")
            .map_or(0, |length| length.parse().unwrap());
        while self.input.len() < length {
            assert!(
                self.fill().await.unwrap() > 0,
                "the body ends early: {answer:?}"
            );
        }
        answer.body = String::from_utf8(self.input.drain(..length).collect()).unwrap();
        answer
    }

    /// The next response, of which there is only the head.
    pub(super) async fn answer_head(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(
                self.fill().await.unwrap() > 0,
                "the connection ended in a response head"
            );
        };
        let head = String::from_utf8(self.input.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        Answer {
            status,
            head,
            body: String::new(),
        }
    }

    /// Sends a request and gives its response.
    pub(super) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    /// What else the server sends until it closes.
    pub(super) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill().await? > 0 {}
        Ok(std::mem::take(&mut self.input))
    }

    /// Asserts that the server closes in an orderly way without sending anything.
    pub(super) async fn expect_end(&mut self) {
        let rest = self.rest().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let read = self.stream.read_buf(&mut self.input);
        timeout(PATIENCE, read)
            .await
            .expect("the server answers or closes in time")
    }
}
