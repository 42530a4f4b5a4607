//! Server processes: start, wait until they answer, kill by process id.
//!
//! A [`Server`] that goes out of scope is killed, so that a failed harness leaves nothing behind.
//! What it writes to standard error is kept (its end, at least) for the message that says why it
//! did not come up.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error};
use crate::http::{Client, Persistence, Wire};

/// How long a server may take from its start to its first answer.
pub const STARTUP: Duration = Duration::from_secs(30);

/// How much of a server's standard error is kept.
const STDERR_KEPT: usize = 64 * 1024;

/// A running server and the port it listens on.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// Starts SQ in `directory`, where it keeps its phexts, and waits until it answers.
    ///
    /// # Errors
    /// Where it cannot be started or does not answer within [`STARTUP`].
    pub fn start_sq(binary: &Path, directory: &Path, key: Option<&str>) -> Result<Self, Error> {
        let port = free_port()?;
        let mut command = Command::new(absolute(binary)?);
        command
            .current_dir(directory)
            .args(["host", &port.to_string()]);
        if let Some(key) = key {
            command.args(["--key", key]);
        }
        Self::start(command, port, key)
    }

    /// Starts `sqd serve` on a data directory and waits until it answers.
    ///
    /// # Errors
    /// Where it cannot be started or does not answer within [`STARTUP`].
    pub fn start_sqd(binary: &Path, data_dir: &Path, key: Option<&str>) -> Result<Self, Error> {
        let port = free_port()?;
        let mut command = sqd_command(binary, port, data_dir)?;
        if let Some(key) = key {
            command.args(["--key", key]);
        }
        Self::start(command, port, key)
    }

    /// Starts any command that will serve on `port`, and waits until it answers there.
    ///
    /// # Errors
    /// Where it cannot be started, exits, or does not answer within [`STARTUP`].
    pub fn start(command: Command, port: u16, key: Option<&str>) -> Result<Self, Error> {
        let mut server = Self::spawn(command, port)?;
        server.await_answer(key)?;
        Ok(server)
    }

    /// Starts a server that will listen on `port`, and does not wait for it.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn(mut command: Command, port: u16) -> Result<Self, Error> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .context(|| format!("starting {command:?}"))?;
        let stderr = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stderr.take() {
            let kept = Arc::clone(&stderr);
            thread::spawn(move || keep_end(pipe, &kept));
        }
        Ok(Self {
            child,
            port,
            stderr,
        })
    }

    /// The port of 127.0.0.1 it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        let kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to end with SIGTERM.
    ///
    /// # Errors
    /// Where `kill` cannot be run or refuses.
    pub fn terminate(&self) -> Result<(), Error> {
        let pid = self.pid().to_string();
        let status = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .context(|| format!("running kill -TERM {pid}"))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Server(format!(
            "kill -TERM {pid} ended with {status}"
        )))
    }

    /// Waits for its end, at most so long.
    ///
    /// # Errors
    /// Where it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, Error> {
        let deadline = Instant::now() + limit;
        loop {
            let pid = self.pid();
            if let Some(status) = self
                .child
                .try_wait()
                .context(|| format!("waiting for {pid}"))?
            {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(Error::Server(format!(
                    "process {pid} still runs after {limit:?}"
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it answers.
    #[must_use]
    pub fn answers(&self, key: Option<&str>) -> bool {
        let mut request = Wire::new("GET", "/api/v2/version");
        if let Some(key) = key {
            request = request.header(format!("Authorization: {key}"));
        }
        let answer = Client::new(self.port, Persistence::PerRequest).request(&request);
        answer.is_ok_and(|response| response.status == 200)
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// Where it ends, or does not answer within [`STARTUP`].
    pub fn await_answer(&mut self, key: Option<&str>) -> Result<(), Error> {
        let deadline = Instant::now() + STARTUP;
        loop {
            if self.answers(key) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                // The pipe is drained by another thread, which may be a moment behind.
                thread::sleep(Duration::from_millis(50));
                let text = format!("the server ended with {status} instead of serving");
                return Err(Error::Server(format!("{text}; it said: {}", self.stderr())));
            }
            if Instant::now() > deadline {
                let text = format!("no answer on port {} after {STARTUP:?}", self.port);
                return Err(Error::Server(format!("{text}; it said: {}", self.stderr())));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn end(&mut self) {
        // Both fail only where the process is already gone, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The command line of `sqd serve`, for callers that run it themselves.
///
/// # Errors
/// Where the working directory cannot be read.
pub fn sqd_command(binary: &Path, port: u16, data_dir: &Path) -> Result<Command, Error> {
    let mut command = Command::new(absolute(binary)?);
    command
        .arg("serve")
        .arg("--listen")
        .arg(format!("127.0.0.1:{port}"));
    command.arg("--data-dir").arg(data_dir);
    Ok(command)
}

/// A port that was free a moment ago.
///
/// # Errors
/// Where the system has none.
pub fn free_port() -> Result<u16, Error> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(|| "asking for a free port")?;
    Ok(listener
        .local_addr()
        .context(|| "reading the port asked for")?
        .port())
}

/// The sqd binary that integration tests run: `SQD_BIN` where it is set; else the package is
/// built, once, in the profile and target directory of the running test. `cargo build` on a fresh
/// build costs a fraction of a second, and a binary merely found there could be an old one.
///
/// # Panics
/// Where there is no binary and none can be built: a test has nothing to say then.
#[must_use]
pub fn sqd_binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY
        .get_or_init(|| match std::env::var_os("SQD_BIN") {
            Some(path) => PathBuf::from(path),
            None => build_sqd(),
        })
        .clone()
}

fn build_sqd() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test
        .ancestors()
        .find(|path| path.ends_with("debug") || path.ends_with("release"))
        .expect("cargo puts tests under target/<profile>/");
    let target = profile
        .parent()
        .expect("a profile directory lies in a target directory");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
        .args(["build", "--quiet", "-p", "sqd"])
        .arg("--target-dir")
        .arg(target);
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command
        .status()
        .expect("cargo can be run by a test that cargo runs");
    assert!(status.success(), "building sqd ended with {status}");
    profile.join("sqd")
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).context(|| format!("resolving {}", path.display()))
}

fn keep_end(mut pipe: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0u8; 4096];
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..read]);
        let excess = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..excess);
    }
}
