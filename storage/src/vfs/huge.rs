//! Holding a mapped file in huge pages.
//!
//! The system keeps a file in the pieces in which it was written or read ahead, and maps those by
//! pages of 4 KiB, so that a random read of a large store waits for page tables as well. A piece of
//! 2 MiB, aligned alike in the file and in memory, it can map by one entry. It makes such a piece of
//! what it has (`MADV_COLLAPSE`, where it was built for files), or reads one from the medium for a map
//! that asks for huge pages, once nothing of the piece is cached.
//!
//! That advice stays with a map: each later miss would read 2 MiB, which in little memory is the
//! opposite of a help. So it is given to a map of the one piece that goes at once, and the map that
//! is read from never has it.
//!
//! | what happens to the piece | what readers of the map see meanwhile |
//! |---|---|
//! | the map forgets its pages | faults that find them in the cache |
//! | the cache drops them, where nobody has mapped them again | faults that read from the medium |
//! | a map that asks for huge pages reads them in | faults that wait for that |
//! | the map takes them, by one entry | nothing |
//!
//! The file is complete and durable before it is mapped, so nothing that is dropped is the only copy.

#![expect(
    clippy::disallowed_types,
    reason = "part of the door through which the rest of the program reaches std::fs"
)]

use super::{HUGE_PAGE_BYTES, sigbus};
use memmap2::{Advice, Mmap, MmapOptions, UncheckedAdvice};
use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::path::Path;

/// Has the system hold the piece of a map of the file at `path` that begins at `start` in a huge page.
/// `false` where it was not asked, as the map or the system do not fit.
///
/// # Errors
/// Where the piece can no longer be read.
pub(super) fn enlarge(path: &Path, map: &Mmap, start: usize) -> io::Result<bool> {
    let address = map.as_ptr() as usize + start;
    if !address.is_multiple_of(HUGE_PAGE_BYTES) || start + HUGE_PAGE_BYTES > map.len() {
        return Ok(false);
    }
    if collapse(map, start) {
        return Ok(true);
    }
    match read_again(path, map, start) {
        // What a load would have got SIGBUS for: it is not there, or the medium does not give it.
        Err(error) if is_unreadable(&error) => Err(error),
        read => Ok(read.is_ok()),
    }
}

/// Makes a huge page of what the system has of the piece.
fn collapse(map: &Mmap, start: usize) -> bool {
    #[expect(
        unsafe_code,
        reason = "no safe wrapper has this advice; see docs/UNSAFE.md"
    )]
    // SAFETY: the range lies in a map that is borrowed, and the advice changes no byte of it.
    let result = unsafe {
        let address = map.as_ptr().add(start).cast_mut().cast();
        libc::madvise(address, HUGE_PAGE_BYTES, libc::MADV_COLLAPSE)
    };
    result == 0
}

/// Has the piece read from the medium again, as one page.
fn read_again(path: &Path, map: &Mmap, start: usize) -> io::Result<()> {
    let file = File::open(path)?;
    let mut options = MmapOptions::new();
    options.offset(start as u64).len(HUGE_PAGE_BYTES);
    #[expect(
        unsafe_code,
        reason = "mapping a file is unsafe by nature; see docs/UNSAFE.md"
    )]
    // SAFETY: as for the map that is enlarged, which is of the same file. No byte of this one is read.
    let window = unsafe { options.map(&file)? };
    window.advise(Advice::HugePage)?;
    // Just this piece, not the next one too.
    window.advise(Advice::Random)?;
    #[expect(
        unsafe_code,
        reason = "no safe wrapper has this advice; see docs/UNSAFE.md"
    )]
    // SAFETY: the map is shared and of a file, so what is forgotten comes back from the file's pages
    // as it was. Nothing writes to the file.
    unsafe {
        map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, HUGE_PAGE_BYTES)?;
    }
    let length = NonZeroU64::new(HUGE_PAGE_BYTES as u64);
    rustix::fs::fadvise(&file, start as u64, length, rustix::fs::Advice::DontNeed)?;
    window.advise(Advice::PopulateRead)?;
    map.advise_range(Advice::PopulateRead, start, HUGE_PAGE_BYTES)
}

fn is_unreadable(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EFAULT | libc::EHWPOISON | libc::EIO)
    )
}

/// Bytes of a map that are mapped by huge pages now, as the system says.
pub(super) fn bytes_in_huge_pages(map: &Mmap) -> u64 {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    huge_bytes_at(&maps, map.as_ptr() as usize)
}

/// What the map that begins at `address` has in huge pages, in the words of `smaps`.
fn huge_bytes_at(maps: &str, address: usize) -> u64 {
    let begins = format!("{address:x}-");
    let fields = maps.lines().skip_while(|line| !line.starts_with(&begins));
    let mut values = fields.filter_map(|line| line.strip_prefix("FilePmdMapped:"));
    values.next().map_or(0, kibibytes)
}

/// Whether the system can be expected to keep all that this process has mapped: twice as much is free,
/// or is cache that it could use.
pub(super) fn has_room() -> bool {
    let read = |path: &str| fs::read_to_string(path).ok();
    let room = room(&read);
    room.is_some_and(|room| sigbus::mapped_bytes() <= room / 2)
}

/// Bytes that are free or cache, of the machine or of the control group with fewest.
fn room(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let machine = read("/proc/meminfo")?;
    let mut values = machine
        .lines()
        .filter_map(|line| line.strip_prefix("MemAvailable:"));
    let machine = kibibytes(values.next()?);
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let room = groups
        .lines()
        .filter_map(|group| room_in_group(group, read));
    Some(room.fold(machine, u64::min))
}

/// Bytes left in a line of `/proc/self/cgroup`'s control group and those around it, cache apart.
fn room_in_group(line: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (controllers, path) = (fields.nth(1)?, fields.next()?);
    let (root, limit, used) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max", "anon "),
        "memory" => (
            "/sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            "total_rss ",
        ),
        _ => return None,
    };
    let room_at = |path: &Path| {
        let directory = format!("{root}{}", path.display());
        let limit: u64 = read(&format!("{directory}/{limit}"))?.trim().parse().ok()?;
        let figures = read(&format!("{directory}/memory.stat"))?;
        let mut values = figures.lines().filter_map(|line| line.strip_prefix(used));
        Some(limit.saturating_sub(values.next()?.parse().ok()?))
    };
    Path::new(path).ancestors().filter_map(room_at).min()
}

/// A figure of the system's such as `  2048 kB`, in bytes.
fn kibibytes(value: &str) -> u64 {
    let number = value.trim().trim_end_matches(" kB").parse();
    number.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::super::{Mapping, RealVfs, Vfs};
    use super::*;
    use std::path::PathBuf;

    const BYTES: usize = 3 * HUGE_PAGE_BYTES + 12_345;

    fn byte_at(at: usize) -> u8 {
        (at % 251) as u8
    }

    fn mapped(directory: &tempfile::TempDir) -> (PathBuf, Mapping) {
        let path = directory.path().join("file");
        let content: Vec<u8> = (0..BYTES).map(byte_at).collect();
        let file = RealVfs.create(&path).unwrap();
        file.write_at(0, &content).unwrap();
        file.sync_data().unwrap();
        let map = RealVfs.map(&path).unwrap();
        (path, map)
    }

    #[test]
    fn bytes_stay_while_they_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let (path, map) = mapped(&directory);
        let check = |map: &Mapping| {
            let mut bytes = map.iter().enumerate();
            assert!(bytes.all(|(at, &byte)| byte == byte_at(at)));
        };
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| (0..20).for_each(|_| check(&map)));
            for start in (0..BYTES).step_by(HUGE_PAGE_BYTES) {
                RealVfs.enlarge_pages(&path, &map, start).unwrap();
            }
            reader.join().unwrap();
        });
        check(&map);
        let huge = RealVfs.bytes_in_huge_pages(&map);
        assert!(huge <= 3 * HUGE_PAGE_BYTES as u64, "{huge}");
        println!("{huge} of {BYTES} bytes are in huge pages");
    }

    #[test]
    fn what_was_cut_off_is_an_error_and_no_signal() {
        let directory = tempfile::tempdir().unwrap();
        let (path, map) = mapped(&directory);
        RealVfs.open(&path).unwrap().truncate(4096).unwrap();
        // Whether the rest of the first piece counts is the system's to say.
        RealVfs.enlarge_pages(&path, &map, 0).ok();
        let cut = RealVfs.enlarge_pages(&path, &map, HUGE_PAGE_BYTES);
        assert!(!matches!(cut, Ok(true)), "{cut:?}");
    }

    #[test]
    fn a_file_that_is_gone_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (path, map) = mapped(&directory);
        RealVfs.remove(&path).unwrap();
        RealVfs.enlarge_pages(&path, &map, 0).unwrap();
        assert_eq!(map[BYTES - 1], byte_at(BYTES - 1));
    }

    #[test]
    fn a_map_is_found_among_others() {
        let maps = "7f00-7f10 r--s 0 00:00 0 a\nFilePmdMapped:     2048 kB\n\
                    7f10-7f90 r--s 0 00:00 0 b\nRss: 8 kB\nFilePmdMapped:     6144 kB\n";
        let check = |address, expected| assert_eq!(huge_bytes_at(maps, address), expected);
        check(0x7f00, 2 << 20);
        check(0x7f10, 6 << 20);
        check(0x7f20, 0);
    }

    #[test]
    fn the_least_room_counts() {
        let check = |files: &[(&str, &str)], expected: Option<u64>| {
            let read = |path: &str| {
                let found = files.iter().find(|(name, _)| *name == path);
                found.map(|(_, text)| (*text).to_owned())
            };
            assert_eq!(room(&read), expected, "{files:?}");
        };
        let machine = ("/proc/meminfo", "MemFree: 1 kB\nMemAvailable:    1000 kB\n");
        check(&[], None);
        check(&[machine], Some(1_024_000));
        let second = ("/proc/self/cgroup", "0::/a/b\n");
        check(&[machine, second], Some(1_024_000));
        let limit = ("/sys/fs/cgroup/a/b/memory.max", "500000\n");
        let used = ("/sys/fs/cgroup/a/b/memory.stat", "anon 1000\nfile 400000\n");
        check(&[machine, second, limit, used], Some(499_000));
        let none = ("/sys/fs/cgroup/a/b/memory.max", "max\n");
        check(&[machine, second, none, used], Some(1_024_000));
        let outer = ("/sys/fs/cgroup/a/memory.max", "300000\n");
        let outer_used = ("/sys/fs/cgroup/a/memory.stat", "anon 300001\n");
        check(&[machine, second, limit, used, outer, outer_used], Some(0));
        let first = ("/proc/self/cgroup", "5:cpu:/x\n4:memory:/a\n");
        let limit = ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9000\n");
        let used = (
            "/sys/fs/cgroup/memory/a/memory.stat",
            "rss 1\ntotal_rss 2000\n",
        );
        check(&[machine, first, limit, used], Some(7000));
    }
}
