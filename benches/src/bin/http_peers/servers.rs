//! The servers under measurement, each on a directory of its own that holds the same phexts.

use std::path::{Path, PathBuf};
use std::process::Command;

use phext_benches::machine;
use phext_benches::report::http::{BARE, SQ, SUBJECT, Size};
use phext_tests::error::{Context, Error};
use phext_tests::process::{Server, free_port};

use crate::Arguments;
use crate::dataset::Dataset;
use crate::workload::{Connections, Workload};

/// A running server.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    /// Where its phexts are; the bare handler has none on disk.
    directory: Option<tempfile::TempDir>,
}

impl Contestant {
    /// How its clients hold their connections where a row asks for this.
    pub(crate) fn connections(&self, wanted: Connections) -> Connections {
        match self.name {
            SQ => Connections::PerRequest,
            _ => wanted,
        }
    }
}

/// All of them, SQ first.
pub(crate) struct Servers(Vec<Contestant>);

impl Servers {
    /// Starts them. They end when this goes.
    ///
    /// # Errors
    /// Where a binary cannot be started or does not answer.
    pub(crate) fn start(arguments: &Arguments, datasets: &[Dataset]) -> Result<Servers, Error> {
        let directory = || -> Result<tempfile::TempDir, Error> {
            let directory = tempfile::tempdir().context(|| "creating a scratch directory")?;
            for dataset in datasets {
                dataset.place(directory.path())?;
            }
            Ok(directory)
        };
        let (of_sq, of_sqd) = (directory()?, directory()?);
        let sq = arguments.sq.as_deref().unwrap_or(Path::new("sq"));
        let beside = own_path()?.with_file_name("sqd");
        let sqd = arguments.sqd.as_deref().unwrap_or(&beside);
        Ok(Servers(vec![
            Contestant {
                name: SQ,
                server: Server::start_sq(sq, of_sq.path(), None)?,
                directory: Some(of_sq),
            },
            Contestant {
                name: SUBJECT,
                server: Server::start_sqd(sqd, of_sqd.path(), None)?,
                directory: Some(of_sqd),
            },
            Contestant {
                name: BARE,
                server: start_bare(arguments)?,
                directory: None,
            },
        ]))
    }

    /// Those that can be asked what a workload asks.
    pub(crate) fn asked(&self, workload: &Workload) -> Vec<&Contestant> {
        let takes_part =
            |contestant: &&Contestant| contestant.name != BARE || workload.endpoint != "update";
        self.0.iter().filter(takes_part).collect()
    }

    /// The process ids.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let servers = self.0.iter();
        servers.map(|contestant| contestant.server.pid()).collect()
    }

    /// A directory on the file system that is measured.
    pub(crate) fn directory(&self) -> &Path {
        let mut directories = self.0.iter().filter_map(|other| other.directory.as_ref());
        directories
            .next()
            .map_or(Path::new("."), |found| found.path())
    }

    /// Memory and disk use now.
    ///
    /// # Errors
    /// Where a directory cannot be read.
    pub(crate) fn sizes(&self) -> Result<Vec<Size>, Error> {
        let size = |contestant: &Contestant| {
            let directory = contestant.directory.as_ref();
            let bytes = directory.map_or(Ok(0), |directory| {
                let bytes = machine::bytes_on_disk(directory.path());
                bytes.context(|| format!("measuring {}", directory.path().display()))
            });
            Ok(Size {
                engine: contestant.name.to_owned(),
                resident_bytes: machine::resident_bytes(contestant.server.pid()).unwrap_or(0),
                bytes_on_disk: bytes?,
            })
        };
        self.0.iter().map(size).collect()
    }
}

/// This program as a bare handler.
fn start_bare(arguments: &Arguments) -> Result<Server, Error> {
    let port = free_port()?;
    let mut command = Command::new(own_path()?);
    command
        .args(["--serve-bare", &port.to_string()])
        .args(["--large", &arguments.large.to_string()])
        .args(["--seed", &arguments.seed.to_string()]);
    Server::start(command, port, None)
}

fn own_path() -> Result<PathBuf, Error> {
    std::env::current_exe().context(|| "finding this program's own path")
}
