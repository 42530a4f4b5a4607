//! Lines in a file of bounded size, and a few older files beside it.
//!
//! A line is given to the system when it is written, and left to it to bring to the medium: losing
//! the last of them in a power cut costs nobody anything. No error is fatal. The first one is logged,
//! lines are dropped until writing works again, and that is logged too.

use phext_storage::vfs::{File, Vfs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of lines.
#[derive(Debug)]
pub(crate) struct Lines {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    /// Bytes after which a new file is begun.
    limit: u64,
    /// Older files that are kept.
    kept: u32,
    open: Option<Open>,
    is_failing: bool,
}

#[derive(Debug)]
struct Open {
    file: Box<dyn File>,
    length: u64,
}

impl Lines {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, path: PathBuf, limit: u64, kept: u32) -> Lines {
        Lines {
            vfs,
            path,
            limit,
            kept,
            open: None,
            is_failing: false,
        }
    }

    /// Writes a line, with its end, or drops it. Whether it was written.
    pub(crate) fn append(&mut self, line: &[u8]) -> bool {
        let written = self.write(line);
        let path = self.path.display();
        match &written {
            Ok(()) if self.is_failing => tracing::info!(%path, "metrics are written again"),
            Err(error) if !self.is_failing => {
                tracing::warn!(%path, %error, "metrics are not written");
            }
            _ => {}
        }
        self.is_failing = written.is_err();
        written.is_ok()
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if open.length > 0 && open.length + line.len() as u64 > self.limit {
            drop(open);
            self.put_aside()?;
            open = self.open()?;
        }
        if let Err(error) = open.file.write_at(open.length, line) {
            // What was written of the line would spoil the next one. If it cannot be cut off, that is
            // found when the file is opened again.
            let _ = open.file.truncate(open.length);
            return Err(error);
        }
        open.length += line.len() as u64;
        self.open = Some(open);
        Ok(())
    }

    fn open(&self) -> io::Result<Open> {
        let file = match self.vfs.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.create(),
            Err(error) => return Err(error),
        };
        let length = self.vfs.metadata(&self.path)?.length;
        let mut open = Open { file, length };
        if length > 0 && self.vfs.read_medium(&self.path, length - 1, 1)? != b"\n" {
            open.file.write_at(length, b"\n")?;
            open.length += 1;
        }
        Ok(open)
    }

    fn create(&self) -> io::Result<Open> {
        if let Some(directory) = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty())
        {
            self.vfs.create_dir_all(directory)?;
        }
        let file = self.vfs.create(&self.path)?;
        Ok(Open { file, length: 0 })
    }

    /// Renames the file and those before it, and removes the oldest.
    fn put_aside(&self) -> io::Result<()> {
        if self.kept == 0 {
            return unless_absent(self.vfs.remove(&self.path));
        }
        unless_absent(self.vfs.remove(&self.older(self.kept)))?;
        for number in (1..self.kept).rev() {
            let (from, to) = (self.older(number), self.older(number + 1));
            unless_absent(self.vfs.rename(&from, &to))?;
        }
        unless_absent(self.vfs.rename(&self.path, &self.older(1)))
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }

    /// Where lines go.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn unless_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
