//! The commands other than serving, and which does what.

use crate::ask;
use crate::check::check;
use crate::cli::{Command, DataArgs, LabCommand, SnapshotCommand};
use crate::control::{self, Request};
use crate::lab::{self, LabError};
use crate::library::{Library, LibraryError};
use crate::meter::Meter;
use crate::phext_file::{FileError, export, write_document};
use crate::repair::repair;
use crate::routes::Misasked;
use crate::serve::{ServeError, Settings, file_and_name, serve};
use crate::siw::{self, SiwError};
use phext_query::ExecuteError;
use phext_storage::{CheckpointMode, Follower, Options, Snapshot, Store, StoreError};
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error(transparent)]
    Siw(#[from] SiwError),
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    Misasked(#[from] Misasked),
    #[error("there is no phext {name:?} in {directory}", directory = .directory.display())]
    NoSuchPhext { name: String, directory: PathBuf },
    #[error("there is no store in {path}", path = .path.display())]
    NoStore { path: PathBuf },
    #[error("{path} would be taken for a newer state of the phext: choose another file", path = .path.display())]
    ExportOverOwn { path: PathBuf },
    #[error("a server is using {directory}, and its control socket does not answer: {source}", directory = .directory.display())]
    Unreachable {
        directory: PathBuf,
        source: io::Error,
    },
    #[error("{said}")]
    Server { said: String },
    #[error("{places} damaged places; `sqd repair` says what can be saved")]
    Damaged { places: usize },
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Serve(args) => {
            let files = args.data_dir.clone();
            let (listen, data_dir, common) = (args.listen, args.data_dir, args.common);
            Ok(serve(Settings {
                listen,
                data_dir,
                files,
                common,
            })?)
        }
        Command::Host { port, options } => {
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let files = options
                .data_dir
                .clone()
                .unwrap_or_else(|| PathBuf::from("."));
            let data_dir = options
                .data_dir
                .unwrap_or_else(|| PathBuf::from("sqd-data"));
            Ok(serve(Settings {
                listen,
                data_dir,
                files,
                common: options.common,
            })?)
        }
        Command::Import { files, data } => import_files(&files, &data),
        Command::Export {
            name,
            file,
            snapshot,
            data,
        } => export_phext(&name, &file, snapshot.as_deref(), &data),
        Command::Query(args) => ask::query(&args),
        Command::Explain(args) => ask::explained(&args),
        Command::Check { data } => check(&data.data_dir),
        Command::Checkpoint {
            directory,
            copy,
            data,
        } => {
            let mode = match copy {
                true => CheckpointMode::Copy,
                false => CheckpointMode::Link,
            };
            // A server has a working directory of its own.
            let directory = std::path::absolute(directory)?;
            control::run(&Request::Checkpoint { directory, mode }, &data)
        }
        Command::Snapshot(command) => match command {
            SnapshotCommand::Create { name, data } => {
                control::run(&Request::CreateSnapshot(name), &data)
            }
            SnapshotCommand::List { data } => control::run(&Request::Snapshots, &data),
            SnapshotCommand::Drop { name, data } => {
                control::run(&Request::DropSnapshot(name), &data)
            }
        },
        Command::Order { phext, order, data } => {
            control::run(&Request::Order { phext, order }, &data)
        }
        Command::Statistics { data } => control::run(&Request::Statistics, &data),
        Command::Repair { apply, data } => repair(&data.data_dir, apply),
        Command::Siw(command) => siw::command(command),
        Command::Lab(LabCommand::Locality(args)) => Ok(lab::locality(&args)?),
        Command::Version => {
            writeln!(io::stdout(), "{}", env!("CARGO_PKG_VERSION"))?;
            Ok(())
        }
    }
}

fn import_files(files: &[PathBuf], data: &DataArgs) -> Result<(), CommandError> {
    let library = Library::open(&data.data_dir, &data.data_dir, Options::default())?;
    for argument in files {
        let (path, name) = file_and_name(argument);
        let mut meter = Meter::new(&path);
        let imported = library.import(&name, &path, &mut |progress| meter.show(progress));
        meter.clear();
        let (scrolls, bytes) = imported.map(|imported| (imported.scrolls, imported.bytes))?;
        let seconds = meter.seconds();
        writeln!(
            io::stdout(),
            "{}: {scrolls} scrolls in {name:?}, {bytes} bytes in {seconds:.1} s, {:.0} MB/s",
            path.display(),
            bytes as f64 / 1e6 / seconds,
        )?;
    }
    library.store().seal()?;
    Ok(())
}

fn export_phext(
    name: &str,
    file: &Path,
    snapshot: Option<&str>,
    data: &DataArgs,
) -> Result<(), CommandError> {
    let opened = open_existing(&data.data_dir)?;
    let is_current = snapshot.is_none();
    let snapshot = match snapshot {
        Some(named) => opened.snapshot_named(named)?,
        None => opened.snapshot(),
    };
    let Some(phext) = snapshot.phext(name) else {
        let (name, directory) = (name.to_owned(), data.data_dir.clone());
        return Err(CommandError::NoSuchPhext { name, directory });
    };
    if file == Path::new("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        write_document(phext, &mut out)?;
        out.flush()?;
        return Ok(());
    }
    let own = data.data_dir.join(format!("{name}.phext"));
    let is_here = matches!(opened, Opened::Here(_));
    if !(is_here && is_current) && is_same_path(&own, file) {
        return Err(CommandError::ExportOverOwn { path: own });
    }
    let scrolls = export(phext, file)?;
    if let Opened::Here(store) = opened {
        Library::over(store, &data.data_dir).note_export(name, file)?;
    }
    writeln!(io::stderr(), "{}: {scrolls} scrolls", file.display())?;
    Ok(())
}

fn is_same_path(one: &Path, other: &Path) -> bool {
    std::path::absolute(one).ok() == std::path::absolute(other).ok()
}

/// A store that a command reads.
#[derive(Debug)]
pub(crate) enum Opened {
    /// Nobody else has it.
    Here(Store),
    /// A server is using it, or nobody can write to it.
    Elsewhere(Box<Follower>),
}

impl Opened {
    pub(crate) fn snapshot_named(&self, name: &str) -> Result<Snapshot, StoreError> {
        match self {
            Opened::Here(store) => store.snapshot_named(name),
            Opened::Elsewhere(follower) => follower.snapshot_named(name),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        match self {
            Opened::Here(store) => store.snapshot(),
            Opened::Elsewhere(follower) => follower.snapshot(),
        }
    }
}

/// Opens the store of a data directory that must be there already: beside the server that is using
/// it if there is one, and without a change where the medium is read-only. Imports nothing.
pub(crate) fn open_existing(directory: &Path) -> Result<Opened, CommandError> {
    require_store(directory)?;
    match Store::open(directory, Options::default()) {
        Err(StoreError::Locked { .. } | StoreError::ReadOnlyMedium { .. }) => {
            Ok(Opened::Elsewhere(Box::new(follow(directory)?)))
        }
        store => Ok(Opened::Here(store?)),
    }
}

/// Opens a store for reading beside the server that is using it.
pub(crate) fn follow(directory: &Path) -> Result<Follower, StoreError> {
    let options = Options {
        // What is read is verified when it is touched.
        verify_at_open_bytes: 0,
        ..Options::default()
    };
    Store::open_read_only(directory, options)
}

/// Refuses a directory that holds no store.
pub(crate) fn require_store(directory: &Path) -> Result<(), CommandError> {
    match Store::is_in(directory) {
        true => Ok(()),
        false => Err(CommandError::NoStore {
            path: directory.to_path_buf(),
        }),
    }
}
