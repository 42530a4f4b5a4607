//! A tenant's store, and the `.phext` files that SQ left beside it.
//!
//! SQ keeps each phext in `<p>.phext`. Such a file is imported when the phext is first asked for (and
//! at start, for all there are), and again by `load` when it has become newer than what was imported.
//! What was imported is remembered in the store's settings, so a restart does not undo later writes.

use crate::control::Control;
use crate::phext_file::{self, FileError, Imported, Progress};
use phext_query::{ExecuteError, Mutation};
use phext_storage::vfs::{Metadata, RealVfs, Vfs};
use phext_storage::{Commit, Options, Phext, Snapshot, Store, StoreError, validate_name};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::sync::oneshot;

const EXTENSION: &str = ".phext";
/// Time between two lines in the log about the import under way.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A store and the directory of its `.phext` files.
#[derive(Debug)]
pub(crate) struct Library {
    store: Store,
    files: PathBuf,
    /// One import at a time, so that two first requests do not import twice.
    importing: Mutex<()>,
    control: Mutex<Option<Control>>,
}

/// Why a request to the library failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error("the import of a phext file failed: {0}")]
    File(#[from] FileError),
    #[error("the request's task was lost")]
    Task,
}

impl Library {
    /// Opens the store in `directory` and imports the phext files in `files` that are new to it.
    pub(crate) fn open(
        directory: &Path,
        files: &Path,
        options: Options,
    ) -> Result<Library, LibraryError> {
        let store = Store::open(directory, options)?;
        if let Some((path, offset)) = &store.recovery().torn_tail {
            let path = path.display();
            tracing::warn!(%path, offset, "dropped a torn tail: writes that were never acknowledged");
        }
        log_memory(directory, &store);
        let library = Library::over(store, files);
        library.import_all();
        Ok(library)
    }

    /// A library of an open store, with nothing imported yet.
    pub(crate) fn over(store: Store, files: &Path) -> Library {
        Library {
            store,
            files: files.to_path_buf(),
            importing: Mutex::new(()),
            control: Mutex::new(None),
        }
    }

    /// The store's current state.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }

    /// Listens for commands in the data directory of the store. A server works without.
    pub(crate) fn listen(self: &Arc<Self>, directory: &Path) {
        match Control::listen(self, directory) {
            Ok(control) => *self.control() = Some(control),
            Err(error) => {
                let directory = directory.display();
                tracing::warn!(%directory, %error, "no control socket: commands need a stopped server");
            }
        }
    }

    /// Listens for commands no longer.
    pub(crate) fn stop_listening(&self) {
        self.control().take();
    }

    fn control(&self) -> MutexGuard<'_, Option<Control>> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A phext of the current state, imported first if only its file is there. Reads never create
    /// one: an unknown phext is empty.
    pub(crate) async fn phext(
        self: &Arc<Self>,
        name: &str,
    ) -> Result<Option<Arc<Phext>>, LibraryError> {
        if let Some(phext) = self.snapshot().phext(name) {
            return Ok(Some(Arc::clone(phext)));
        }
        if self.file_of(name).is_none() {
            return Ok(None);
        }
        let (library, name) = (Arc::clone(self), name.to_owned());
        blocking(move || {
            library.import_if_newer(&name)?;
            Ok(library.snapshot().phext(&name).cloned())
        })
        .await
    }

    /// A phext as a named snapshot has it. Its files are mapped when it is first read.
    pub(crate) async fn phext_in(
        self: &Arc<Self>,
        snapshot: &str,
        name: &str,
    ) -> Result<Option<Arc<Phext>>, LibraryError> {
        let library = Arc::clone(self);
        let (snapshot, name) = (snapshot.to_owned(), name.to_owned());
        blocking(move || {
            let snapshot = library.store.snapshot_named(&snapshot)?;
            Ok(snapshot.phext(&name).cloned())
        })
        .await
    }

    /// Commits a mutation and returns when it is durable. The commit goes on when the caller goes
    /// away.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        mutation: Mutation,
    ) -> Result<Commit, LibraryError> {
        self.phext(&mutation.phext).await?;
        let batch = mutation.into_batch()?;
        let (sender, receiver) = oneshot::channel();
        let on_commit = Box::new(move |outcome| {
            // The client may be gone; the commit stands.
            let _ = sender.send(outcome);
        });
        if self.store.submit(batch, on_commit) {
            // Here and now rather than on another thread, whose waking costs as much as half a sync.
            let more = tokio::task::block_in_place(|| self.store.drive());
            if more {
                // This client has its answer: a thread of its own goes on for the others.
                let library = Arc::clone(self);
                tokio::task::spawn_blocking(move || while library.store.drive() {});
            }
        }
        Ok(receiver.await.map_err(|_| LibraryError::Task)??)
    }

    /// Imports the phext's file if it is newer than what was imported or exported.
    pub(crate) async fn load(self: &Arc<Self>, name: &str) -> Result<(), LibraryError> {
        let (library, name) = (Arc::clone(self), name.to_owned());
        blocking(move || library.import_if_newer(&name)).await
    }

    /// Imports a file as a phext, whatever was imported before.
    pub(crate) fn import(
        &self,
        name: &str,
        path: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Imported, LibraryError> {
        validate_name(name)?;
        let _one_at_a_time = self.one_import();
        self.import_now(name, path, metadata_of(path)?, progress)
    }

    /// Imports a file as a phext if it is newer than what was imported: a server that is started
    /// again with the same options must not undo what was written since.
    pub(crate) fn import_once(&self, name: &str, path: &Path) -> Result<(), LibraryError> {
        validate_name(name)?;
        let _one_at_a_time = self.one_import();
        let metadata = metadata_of(path)?;
        if self.is_newer(name, &metadata) {
            self.import_now(name, path, metadata, &mut log_progress(path))?;
        }
        Ok(())
    }

    /// Remembers that a phext was exported to `path`. Where that is the phext's own file, `load` must
    /// not take it for a newer state.
    pub(crate) fn note_export(&self, name: &str, path: &Path) -> Result<(), LibraryError> {
        let _one_at_a_time = self.one_import();
        let is_same = |own: &Path| std::path::absolute(own).ok() == std::path::absolute(path).ok();
        if let Some((own, metadata)) = self.file_of(name)
            && is_same(&own)
        {
            self.store
                .set_setting(&setting_of(name), &stamp(&metadata).to_le_bytes())?;
        }
        Ok(())
    }

    fn import_if_newer(&self, name: &str) -> Result<(), LibraryError> {
        let _one_at_a_time = self.one_import();
        match self.file_of(name) {
            Some((path, metadata)) if self.is_newer(name, &metadata) => {
                self.import_now(name, &path, metadata, &mut log_progress(&path))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn one_import(&self) -> MutexGuard<'_, ()> {
        self.importing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_newer(&self, name: &str, metadata: &Metadata) -> bool {
        let known = self.store.setting(&setting_of(name));
        let known = known
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes);
        known.is_none_or(|known| stamp(metadata) > known)
    }

    fn import_now(
        &self,
        name: &str,
        path: &Path,
        metadata: Metadata,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Imported, LibraryError> {
        let imported = phext_file::import(&self.store, name, path, progress)?;
        self.store
            .set_setting(&setting_of(name), &stamp(&metadata).to_le_bytes())?;
        let (scrolls, replaced) = (imported.scrolls, imported.replaced);
        tracing::info!(path = %path.display(), phext = name, scrolls, replaced, "imported");
        Ok(imported)
    }

    /// Imports what SQ left. A file that cannot be imported is logged, and again an error when its
    /// phext is asked for; the others are served.
    fn import_all(&self) {
        let names = RealVfs.list(&self.files).unwrap_or_default();
        for name in names.iter().filter_map(|name| name.strip_suffix(EXTENSION)) {
            if validate_name(name).is_ok()
                && let Err(error) = self.import_if_newer(name)
            {
                tracing::error!(phext = name, %error, "not imported");
            }
        }
    }

    /// The file of a phext, if there is one.
    fn file_of(&self, name: &str) -> Option<(PathBuf, Metadata)> {
        validate_name(name).ok()?;
        let path = self.files.join(format!("{name}{EXTENSION}"));
        let metadata = RealVfs.metadata(&path).ok()?;
        Some((path, metadata))
    }
}

/// Logs how far an import is, now and then.
fn log_progress(path: &Path) -> impl FnMut(Progress) {
    let mut next = Instant::now() + LOG_INTERVAL;
    move |progress| {
        if Instant::now() >= next {
            next = Instant::now() + LOG_INTERVAL;
            let (bytes, total_bytes) = (progress.bytes, progress.total_bytes);
            let scrolls = progress.scrolls;
            tracing::info!(path = %path.display(), bytes, total_bytes, scrolls, "importing");
        }
    }
}

/// The setting that remembers which state of its file a phext was imported from.
fn setting_of(name: &str) -> String {
    format!("imported:{name}")
}

fn metadata_of(path: &Path) -> Result<Metadata, FileError> {
    let io_error = |source| FileError::Io {
        path: path.to_path_buf(),
        source,
    };
    RealVfs.metadata(path).map_err(io_error)
}

/// When a file was last changed, in nanoseconds.
fn stamp(metadata: &Metadata) -> u64 {
    metadata
        .modified
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Runs what may take long, or wait for the disk, away from the threads that serve connections.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LibraryError> + Send + 'static,
) -> Result<T, LibraryError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(LibraryError::Task))
}

/// Says what a store holds in memory, for whoever sets a limit to it.
fn log_memory(directory: &Path, store: &Store) {
    let held = store.statistics();
    tracing::info!(
        data_dir = %directory.display(),
        heap_bytes = held.heap_bytes(),
        memtable_bytes = held.memtable_bytes,
        shadow_bytes = held.shadow_bytes,
        table_bytes = held.table_bytes,
        catalog_bytes = held.catalog_bytes,
        mapped_bytes = held.mapped_bytes,
        "opened"
    );
}
