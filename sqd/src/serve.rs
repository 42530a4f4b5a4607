//! `sqd serve`: from options to a listening server, and its orderly end.

use crate::cli::CommonArgs;
use crate::http;
use crate::library::{Library, LibraryError};
use crate::phext_file::FileError;
use crate::routes::{App, Cores};
use crate::scrub::Scrubber;
use crate::telemetry::Sampler;
use crate::tenants::{TenantError, Tenants};
use phext_siw::telemetry::Meter;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Why the server did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Tenant(#[from] TenantError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("--import needs a single data directory, not --config")]
    ImportWithTenants,
}

/// What to serve, and where.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    /// Where `.phext` files of SQ are looked for.
    pub(crate) files: PathBuf,
    pub(crate) common: CommonArgs,
}

/// Serves until SIGTERM or SIGINT, then drains and returns.
pub(crate) fn serve(settings: Settings) -> Result<(), ServeError> {
    // Before any other thread: hardware counters count those that are started later.
    let meter = Meter::open(settings.common.telemetry.costs());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(run(settings, meter));
    // Stores are closed by now; nothing that is still blocked holds anything unsaved.
    runtime.shutdown_background();
    outcome
}

async fn run(settings: Settings, meter: Meter) -> Result<(), ServeError> {
    // Listening comes first: a port that is taken is found before a long import.
    let address = settings.listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| ServeError::Listen { address, source })?;
    let address = listener.local_addr()?;
    let body_limit = settings.common.body_limit;
    let shutdown = shutdown_signal()?;
    let scrub_days = settings.common.scrub_days;
    let query_deadline = settings.common.query_deadline();
    let is_guarded = settings.common.key.is_some() || settings.common.config.is_some();
    let only_directory = settings
        .common
        .config
        .is_none()
        .then_some(&settings.data_dir);
    let lines = settings
        .common
        .telemetry
        .lines(only_directory.map(PathBuf::as_path));
    let opening = tokio::task::spawn_blocking(move || open(&settings));
    let tenants = opening.await.map_err(io::Error::other)??;
    if !address.ip().is_loopback() && !is_guarded {
        tracing::warn!(%address, "listening beyond this machine without --key: anyone who reaches this port can read and change everything");
    }
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    let cores = Cores::start(query_deadline)?;
    let app = Arc::new(App::new(tenants, cores));
    let options = http::Options {
        body_limit,
        ..http::Options::default()
    };
    let scrubber = Scrubber::start(Arc::clone(&app), scrub_days)?;
    let sampler = Sampler::start(Arc::clone(&app), meter, lines)?;
    let busy = http::serve(listener, Arc::clone(&app), options, shutdown).await;
    if busy > 0 {
        tracing::warn!(busy, "connections did not end in time");
    }
    // It ends within a step: it must not hold a store that is being closed.
    drop(scrubber);
    drop(sampler);
    app.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the stores and imports what is to be imported.
fn open(settings: &Settings) -> Result<Tenants, ServeError> {
    let common = &settings.common;
    let options = common.store_options();
    if let Some(config) = &common.config {
        if !common.import.is_empty() {
            return Err(ServeError::ImportWithTenants);
        }
        return Ok(Tenants::from_file(config, options)?);
    }
    let library = Library::open(&settings.data_dir, &settings.files, options)?;
    for argument in &common.import {
        let (path, name) = file_and_name(argument);
        library.import_once(&name, &path)?;
    }
    let library = Arc::new(library);
    library.listen(&settings.data_dir);
    Ok(Tenants::Single {
        key: common.key.clone(),
        library,
    })
}

/// Splits `FILE[=NAME]`; without a name, the file's stem is the name.
pub(crate) fn file_and_name(argument: &Path) -> (PathBuf, String) {
    let text = argument.to_string_lossy();
    if let Some((file, name)) = text.rsplit_once('=')
        && !name.contains('/')
    {
        return (PathBuf::from(file), name.to_owned());
    }
    let stem = argument.file_name().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_suffix(".phext").unwrap_or(&stem).to_owned();
    (argument.to_path_buf(), stem)
}

/// Resolves at the first SIGTERM or SIGINT. A second one ends the process at once.
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing requests");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::warn!("stopped at once by a second signal");
            std::process::exit(1);
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_arguments() {
        let check = |argument: &str, file: &str, name: &str| {
            let expected = (PathBuf::from(file), name.to_owned());
            assert_eq!(file_and_name(Path::new(argument)), expected);
        };
        check("odyssey.phext", "odyssey.phext", "odyssey");
        check(
            "dir/the-odyssey.phext",
            "dir/the-odyssey.phext",
            "the-odyssey",
        );
        check("dir/a.txt=notes", "dir/a.txt", "notes");
        check("k=v/a.phext", "k=v/a.phext", "a");
        check(".phext", ".phext", "");
    }
}
