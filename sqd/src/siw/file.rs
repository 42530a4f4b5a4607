//! Files of streams: bytes where they begin with the magic of the binary form, else text.

use crate::phext_file;
use bytes::Bytes;
use phext_siw::{
    AssembleError, Assembly, DecodeError, Stream, ValidateError, assemble, encoding, validate,
};
use phext_storage::vfs::{RealVfs, Vfs};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Why a stream was not assembled, or not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiwError {
    #[error("{path}: {source}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Save(#[from] phext_file::FileError),
    #[error(transparent)]
    Output(#[from] io::Error),
    #[error("{path} is neither a stream nor the text of one: it is not UTF-8", path = .path.display())]
    NotText { path: PathBuf },
    #[error("{path} is a stream already: `sqd siw dis` gives its text", path = .path.display())]
    IsBinary { path: PathBuf },
    #[error("{path}: {source}", path = .path.display())]
    Assemble {
        path: PathBuf,
        source: AssembleError,
    },
    #[error("{path}: {source}", path = .path.display())]
    Decode { path: PathBuf, source: DecodeError },
    #[error("{path}: {source}", path = .path.display())]
    Invalid {
        path: PathBuf,
        source: ValidateError,
    },
    #[error("{path}: line {line}: {source}", path = .path.display())]
    InvalidLine {
        path: PathBuf,
        line: usize,
        source: ValidateError,
    },
    #[error("the stream writes: give `--write` to let it")]
    Writes,
    #[error("a server is using {directory}: a stream that writes needs it for itself", directory = .directory.display())]
    InUse { directory: PathBuf },
    #[error("give `-o FILE` to say where the stream goes")]
    NoOutput,
}

/// Whether a path stands for the standard input or output.
pub(super) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

fn read(path: &Path) -> Result<Bytes, SiwError> {
    let mut bytes = Vec::new();
    let read = match is_standard(path) {
        true => io::stdin().lock().read_to_end(&mut bytes),
        false => RealVfs
            .read(path)
            .and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    match read {
        Ok(_) => Ok(bytes.into()),
        Err(source) => Err(SiwError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes bytes where the path says.
pub(super) fn save(path: &Path, bytes: &[u8]) -> Result<(), SiwError> {
    if is_standard(path) {
        return Ok(io::stdout().write_all(bytes)?);
    }
    phext_file::save(path, |out| {
        out.write_all(bytes)
            .map_err(|source| phext_file::FileError::Io {
                path: path.to_owned(),
                source,
            })
    })?;
    Ok(())
}

/// The stream of a file of either form.
pub(super) fn load(path: &Path) -> Result<Assembly, SiwError> {
    parse(path, &read(path)?)
}

/// The stream of a file of either form, if it may run.
pub(super) fn load_valid(path: &Path) -> Result<Stream, SiwError> {
    valid(path, load(path)?)
}

/// The stream of a text, if it may run.
pub(super) fn load_text(path: &Path) -> Result<Stream, SiwError> {
    let bytes = read(path)?;
    if is_binary(&bytes) {
        let path = path.to_owned();
        return Err(SiwError::IsBinary { path });
    }
    valid(path, parse(path, &bytes)?)
}

fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(&encoding::MAGIC)
}

fn parse(path: &Path, bytes: &Bytes) -> Result<Assembly, SiwError> {
    let path = || path.to_owned();
    if is_binary(bytes) {
        let stream = Stream::decode(bytes);
        let stream = stream.map_err(|source| SiwError::Decode {
            path: path(),
            source,
        })?;
        return Ok(stream.into());
    }
    let text = str::from_utf8(bytes).map_err(|_| SiwError::NotText { path: path() })?;
    assemble(text).map_err(|source| SiwError::Assemble {
        path: path(),
        source,
    })
}

fn valid(path: &Path, assembly: Assembly) -> Result<Stream, SiwError> {
    let Err(source) = validate(&assembly.stream) else {
        return Ok(assembly.stream);
    };
    let path = path.to_owned();
    Err(match assembly.line(source.site) {
        Some(line) => SiwError::InvalidLine { path, line, source },
        None => SiwError::Invalid { path, source },
    })
}
