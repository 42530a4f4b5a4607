//! A running sqd for one integration test.

use tempfile::TempDir;

use crate::http::{Client, Connection, Persistence, Response, ResponseBody, Wire};
use crate::process::{Server, sqd_binary};

/// A server on a directory of its own; both live as long as the test.
#[derive(Debug)]
pub struct Fixture {
    /// The server.
    pub server: Server,
    /// Its data directory.
    pub directory: TempDir,
}

impl Fixture {
    /// Starts sqd on an empty directory.
    ///
    /// # Panics
    /// Where there is no sqd or it does not come up: the test has nothing to say then.
    #[must_use]
    pub fn start() -> Self {
        Self::with_key(None)
    }

    /// Starts sqd on an empty directory with a key.
    ///
    /// # Panics
    /// Where there is no sqd or it does not come up.
    #[must_use]
    pub fn with_key(key: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a test can create a scratch directory");
        let server = Server::start_sqd(&sqd_binary(), directory.path(), key)
            .unwrap_or_else(|error| panic!("{error}"));
        Self { server, directory }
    }

    /// A connection to the server.
    ///
    /// # Panics
    /// Where the server accepts none.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open(self.server.port()).expect("a running server accepts connections")
    }

    /// The answer to bytes sent on a new connection.
    ///
    /// # Panics
    /// Where there is no answer.
    #[must_use]
    pub fn raw(&self, request: &[u8]) -> Response {
        let mut connection = self.connect();
        connection
            .send(request)
            .expect("a running server takes a request");
        connection
            .receive(ResponseBody::Present)
            .expect("a request has an answer")
    }

    /// The answer to a request sent on a new connection.
    ///
    /// # Panics
    /// Where there is no answer.
    pub fn ask(&self, wire: &Wire) -> Response {
        let mut client = Client::new(self.server.port(), Persistence::PerRequest);
        client
            .request(wire)
            .unwrap_or_else(|error| panic!("{} {}: {error}", wire.method, wire.path))
    }

    /// The scroll at a coordinate.
    ///
    /// # Panics
    /// Where the server refuses.
    #[must_use]
    pub fn select(&self, name: &str, coordinate: &str) -> String {
        let query = format!("p={name}&c={coordinate}");
        let answer = self.ask(&Wire::new("GET", "/api/v2/select").query(query));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().into_owned()
    }
}

/// Asserts a status and a whole body.
///
/// # Panics
/// Where the answer is another.
pub fn assert_answer(answer: &Response, status: u16, body: &str) {
    assert_eq!((answer.status, answer.text().as_ref()), (status, body));
}

/// Asserts a status, and that the body names all of these.
///
/// # Panics
/// Where the answer is another.
pub fn assert_refused(what: &str, answer: &Response, status: u16, naming: &[&str]) {
    let text = answer.text();
    assert_eq!(answer.status, status, "{what}: {text}");
    for name in naming {
        assert!(
            text.contains(name),
            "{what}: {text:?} does not name {name:?}"
        );
    }
}
