//! The socket in the data directory: a thread that answers, and the client's side.
//!
//! A connection has a thread of its own, so that a long checkpoint keeps nobody else waiting.

use super::{Request, SOCKET_FILE};
use crate::library::Library;
use phext_storage::vfs::{RealVfs, Vfs};
use std::fs::Permissions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// The longest request in bytes.
const MAX_LINE_BYTES: u64 = 16 << 10;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be accepted: descriptors may have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket that is listened on. Dropping it ends that and removes it.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    is_stopped: Arc<AtomicBool>,
}

impl Control {
    /// Listens in a data directory whose store `library` has open, so that a socket found there is
    /// of a server that is gone.
    pub(crate) fn listen(library: &Arc<Library>, directory: &Path) -> io::Result<Control> {
        let path = directory.join(SOCKET_FILE);
        // Nobody knows the other name until the permissions are right.
        let fresh = path.with_extension("tmp");
        for stale in [&path, &fresh] {
            match RealVfs.remove(stale) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
        RealVfs.rename(&fresh, &path)?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let control = Control {
            path,
            is_stopped: Arc::clone(&is_stopped),
        };
        let library = Arc::downgrade(library);
        thread::Builder::new()
            .name("sqd-control".into())
            .spawn(move || accept(&listener, &library, &is_stopped))?;
        Ok(control)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        // Wakes the thread, which is not waited for: a command may be what drops the library.
        let _ = UnixStream::connect(&self.path);
        if let Err(error) = RealVfs.remove(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the socket stays");
        }
    }
}

fn accept(listener: &UnixListener, library: &Weak<Library>, is_stopped: &AtomicBool) {
    for connection in listener.incoming() {
        if is_stopped.load(Ordering::Acquire) {
            return;
        }
        let library = Weak::clone(library);
        let spawned = connection.and_then(|connection| {
            let answer = move || {
                if let Err(error) = answer(&connection, &library) {
                    tracing::debug!(%error, "a control connection failed");
                }
            };
            thread::Builder::new()
                .name("sqd-command".into())
                .spawn(answer)
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "a control connection was not served");
            thread::sleep(PAUSE);
        }
    }
}

fn answer(connection: &UnixStream, library: &Weak<Library>) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(connection.take(MAX_LINE_BYTES)).read_line(&mut line)?;
    let Some(line) = line.strip_suffix('\n') else {
        return respond(connection, Err("the request is not a line".to_owned()));
    };
    let outcome = line.parse::<Request>().and_then(|request| {
        let library = library.upgrade().ok_or("the server is stopping")?;
        tracing::info!(%request, "command");
        let lines = request.run(library.store());
        lines.map_err(|error| error.to_string())
    });
    respond(connection, outcome)
}

fn respond(mut connection: &UnixStream, outcome: Result<Vec<String>, String>) -> io::Result<()> {
    let mut text = String::new();
    let last = match outcome {
        Ok(lines) => {
            for line in lines {
                text.push_str(&line.replace('\n', " "));
                text.push('\n');
            }
            "ok\n".to_owned()
        }
        Err(said) => format!("error {}\n", said.replace('\n', " ")),
    };
    text.push_str(&last);
    connection.write_all(text.as_bytes())
}

/// Asks the server that is using a data directory. Gives the lines of its answer, or why it refused.
pub(crate) fn ask(directory: &Path, request: &Request) -> io::Result<Result<Vec<String>, String>> {
    let line = request.to_string();
    if line.contains('\n') {
        let what = "a request cannot hold a line break";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut connection = UnixStream::connect(directory.join(SOCKET_FILE))?;
    writeln!(connection, "{line}")?;
    let mut lines = Vec::new();
    for line in BufReader::new(connection).lines() {
        let line = line?;
        if line == "ok" {
            return Ok(Ok(lines));
        }
        if let Some(said) = line.strip_prefix("error ") {
            return Ok(Err(said.to_owned()));
        }
        lines.push(line);
    }
    let what = "the server went away before it had answered";
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phext_storage::Options;

    fn library(directory: &Path) -> Arc<Library> {
        Arc::new(Library::open(directory, directory, Options::default()).unwrap())
    }

    #[test]
    fn requests_are_answered_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let library = library(directory.path());
        let control = Control::listen(&library, directory.path()).unwrap();
        let ask = |line: &str| ask(directory.path(), &line.parse().unwrap()).unwrap();
        assert_eq!(ask("snapshot list"), Ok(vec![]));
        assert_eq!(ask("snapshot create a"), Ok(vec!["a: change 0".into()]));
        assert_eq!(ask("snapshot list").unwrap().len(), 1);
        let said = ask("snapshot drop b").unwrap_err();
        assert_eq!(said, "there is no snapshot named \"b\"");
        let copy = directory.path().join("a copy");
        let made = ask(&format!("checkpoint link {}", copy.display()));
        assert!(made.unwrap()[0].contains("a copy: change"));
        assert!(
            ask("statistics")
                .unwrap()
                .iter()
                .any(|l| l.starts_with("log_bytes: "))
        );
        let mode = RealVfs.list(directory.path()).unwrap();
        assert!(mode.contains(&SOCKET_FILE.to_owned()));
        let metadata = std::fs::metadata(directory.path().join(SOCKET_FILE)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        drop(control);
        assert!(!directory.path().join(SOCKET_FILE).exists());
    }

    #[test]
    fn lines_that_are_no_request_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let library = library(directory.path());
        // One that a killed server left.
        drop(UnixListener::bind(directory.path().join(SOCKET_FILE)).unwrap());
        let _control = Control::listen(&library, directory.path()).unwrap();
        for (sent, said) in [
            ("stop\n", "error no such command"),
            ("statistics", "error the request is not a line"),
        ] {
            let mut connection = UnixStream::connect(directory.path().join(SOCKET_FILE)).unwrap();
            connection.write_all(sent.as_bytes()).unwrap();
            connection.shutdown(std::net::Shutdown::Write).unwrap();
            let mut text = String::new();
            connection.read_to_string(&mut text).unwrap();
            assert!(text.starts_with(said), "{text}");
        }
    }
}
