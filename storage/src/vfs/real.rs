//! The system's file system.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is the door through which the rest of the program reaches std::fs"
)]

#[cfg(target_os = "linux")]
use super::huge;
use super::medium;
use super::sled_catalog::SledCatalog;
use super::{Catalog, File, Mapping, Metadata, Vfs};
use std::fmt::Debug;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Files, directories and maps of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealVfs;

impl Vfs for RealVfs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let is_absent = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let created: Vec<&Path> = path.ancestors().take_while(is_absent).collect();
        fs::create_dir_all(path)?;
        for directory in created {
            match directory.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => self.sync_dir(parent)?,
                _ => self.sync_dir(Path::new("."))?,
            }
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        Ok(Box::new(RealFile { file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(RealFile { file }))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs::File::open(path)?))
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        let file = fs::File::open(path)?;
        #[expect(
            unsafe_code,
            reason = "mapping a file is unsafe by nature; see docs/UNSAFE.md"
        )]
        // SAFETY: a mapped file must not change or shrink while it is mapped. Segments are mapped
        // only after they were written, synced and renamed into place; nothing writes to them
        // afterwards, they are only ever unlinked, and the lock file keeps other sqd processes out.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Mapping::of_file(map, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = match file {
            // Who only reads can be kept from what is written through another mount all the same.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                fs::File::open(path)?
            }
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let metadata = fs::metadata(path)?;
        Ok(Metadata {
            length: metadata.len(),
            modified: metadata.modified()?,
        })
    }

    fn open_catalog(&self, path: &Path) -> io::Result<Box<dyn Catalog>> {
        Ok(Box::new(SledCatalog::open(path)?))
    }

    fn scan_catalog(&self, path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let entries = fs::read_dir(path)?;
        // sled writes to its directory when it opens one, so that a copy is opened.
        let copy = ScratchDirectory::create()?;
        copy.fill(entries, &copy.path)?;
        let scanned = SledCatalog::open(&copy.path).and_then(|catalog| catalog.scan());
        scanned.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                let what = error.to_string();
                let copied = copy.path.display().to_string();
                let what = what.replace(&copied, &path.display().to_string());
                io::Error::new(io::ErrorKind::InvalidData, what)
            }
            _ => copy.error(&error),
        })
    }

    fn rename_catalog(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        for path in [to, from] {
            if let Some(parent) = path.parent() {
                self.sync_dir(parent)?;
            }
        }
        Ok(())
    }

    fn read_medium(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        match medium::read_direct(path, offset, length) {
            // Some file systems, among them those in memory, know no direct reads.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.release(path)?;
                medium::read_cached(path, offset, length)
            }
            read => read,
        }
    }

    fn release(&self, path: &Path) -> io::Result<()> {
        let file = fs::File::open(path)?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn has_room_for_maps(&self) -> bool {
        huge::has_room()
    }

    #[cfg(target_os = "linux")]
    fn enlarge_pages(&self, path: &Path, map: &Mapping, start: usize) -> io::Result<bool> {
        let enlarge = |file| huge::enlarge(path, file, start);
        map.file().map_or(Ok(false), enlarge)
    }

    #[cfg(target_os = "linux")]
    fn bytes_in_huge_pages(&self, map: &Mapping) -> u64 {
        map.file().map_or(0, huge::bytes_in_huge_pages)
    }
}

/// A directory of this process's own, removed with the value.
#[derive(Debug)]
struct ScratchDirectory {
    path: PathBuf,
}

impl ScratchDirectory {
    fn create() -> io::Result<ScratchDirectory> {
        let number = getrandom::u64().map_err(io::Error::other)?;
        let path = std::env::temp_dir().join(format!("sqd-catalog-{number:016x}"));
        let created = fs::create_dir(&path);
        let scratch = ScratchDirectory { path };
        match created {
            Ok(()) => Ok(scratch),
            Err(error) => Err(scratch.error(&error)),
        }
    }

    /// An error of this directory, which says nothing of what was to be copied.
    fn error(&self, error: &io::Error) -> io::Error {
        let path = self.path.display();
        io::Error::other(format!(
            "no copy of it could be read in {path}: {error}; TMPDIR names another place for it"
        ))
    }

    /// Copies what is in a directory to `to`, which is in this one.
    fn fill(&self, from: fs::ReadDir, to: &Path) -> io::Result<()> {
        for entry in from {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                fs::create_dir(&target).map_err(|error| self.error(&error))?;
                self.fill(fs::read_dir(entry.path())?, &target)?;
            } else {
                let bytes = fs::read(entry.path())?;
                fs::write(target, bytes).map_err(|error| self.error(&error))?;
            }
        }
        Ok(())
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a scratch directory stays");
        }
    }
}

#[derive(Debug)]
struct RealFile {
    file: fs::File,
}

impl File for RealFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut file = &self.file;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            result => Ok(result?),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    #[cfg(target_os = "linux")]
    fn begin_write_back(&self, range: Range<u64>) -> io::Result<()> {
        sync_file_range(&self.file, range, libc::SYNC_FILE_RANGE_WRITE)
    }

    #[cfg(target_os = "linux")]
    fn await_write_back(&self, range: Range<u64>) -> io::Result<()> {
        sync_file_range(&self.file, range, libc::SYNC_FILE_RANGE_WAIT_BEFORE)
    }
}

/// An error is one of the medium and is reported: a later `fdatasync` may not report it again.
#[cfg(target_os = "linux")]
fn sync_file_range(file: &fs::File, range: Range<u64>, flags: libc::c_uint) -> io::Result<()> {
    let (start, length) = (range.start as i64, (range.end - range.start) as i64);
    #[expect(
        unsafe_code,
        reason = "no safe wrapper has this call; see docs/UNSAFE.md"
    )]
    // SAFETY: the descriptor is open while `file` is borrowed, and no memory is passed.
    let result = unsafe { libc::sync_file_range(file.as_raw_fd(), start, length, flags) };
    match result {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
            error => Err(error),
        },
    }
}

/// Removes the files in a directory, if there is one, whose names end so and whose bytes are not
/// `whole`.
pub(super) fn remove_unfinished(
    directory: &Path,
    suffix: &str,
    whole: fn(&[u8]) -> bool,
) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(suffix) && !whole(&fs::read(&path)?) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Makes every file below `path` durable, and the directories that name them.
///
/// For files written by a library that does not sync them itself.
pub(super) fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            match fs::File::open(entry.path()) {
                Ok(file) => file.sync_all()?,
                // The library removes its own old snapshots while we look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    fs::File::open(path)?.sync_all()
}
