//! Reading a file from the medium instead of the system's cache.
//!
//! A scrub that reads cached pages checks memory, not the medium. A direct read (`O_DIRECT`) goes to
//! the device and leaves the cache as it is, so that it evicts nothing either. It wants offset,
//! length and memory aligned, which is done here.

#![expect(
    clippy::disallowed_types,
    reason = "part of the door through which the rest of the program reaches std::fs"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Devices address blocks of at most this many bytes.
const ALIGNMENT: usize = 4096;

/// Reads past the cache; [`io::ErrorKind::InvalidInput`] where the file system cannot.
pub(super) fn read_direct(path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(direct)
        .open(path)?;
    let start = offset - offset % ALIGNMENT as u64;
    let skipped = (offset - start) as usize;
    let wanted = (skipped + length).next_multiple_of(ALIGNMENT);
    let mut memory = vec![0; wanted + ALIGNMENT];
    let aligned = memory.as_ptr().align_offset(ALIGNMENT);
    let read = read_up_to(
        &file,
        start,
        &mut memory[aligned..aligned + wanted],
        ALIGNMENT,
    )?;
    let end = read.min(skipped + length);
    Ok(memory[aligned..aligned + end]
        .get(skipped..)
        .unwrap_or_default()
        .to_vec())
}

/// Reads through the cache.
pub(super) fn read_cached(path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = read_up_to(&File::open(path)?, offset, &mut bytes, 1)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Fills `bytes`, or less at the end of the file, which is where a read stops short of `unit`.
fn read_up_to(file: &File, offset: u64, bytes: &mut [u8], unit: usize) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if !read.is_multiple_of(unit) {
            break;
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test needs a file to read")]
    fn both_ways_read_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let content: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let check = |offset: usize, length: usize| {
            let end = (offset + length).min(content.len());
            let expected = content.get(offset..end).unwrap_or_default();
            let cached = read_cached(&path, offset as u64, length).unwrap();
            assert_eq!(cached, expected, "cached, {length} at {offset}");
            match read_direct(&path, offset as u64, length) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                direct => assert_eq!(direct.unwrap(), expected, "direct, {length} at {offset}"),
            }
        };
        check(0, 65_536);
        check(65_536, 65_536);
        check(1, 1);
        check(4095, 2);
        check(99_999, 10);
        check(100_000, 10);
        check(200_000, 10);
        check(0, 1 << 20);
    }
}
