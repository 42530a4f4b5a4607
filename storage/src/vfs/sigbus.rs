//! A clean stop when a mapped page cannot be read.
//!
//! A load from a map beyond the end of its file, or from a page that the medium does not give back,
//! raises SIGBUS. There is no way to go on: the load has no answer, and the thread that made it is in
//! the middle of anything. So the process ends, as it would anyway, but says which file and where,
//! with an exit code of its own. What was acknowledged is durable.
//!
//! The handler runs between any two instructions of the thread that it stops. It takes no lock and
//! allocates nothing: it looks the address up in a table of atomics, writes one message, and exits.
//! A library must not take a signal from its host, so that only a program that asks gets this.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The exit code of a process that was stopped because a mapped page could not be read; it is
/// `EX_IOERR` of sysexits.h.
pub const UNREADABLE_MAP_EXIT_CODE: i32 = 74;

/// Maps whose names the handler knows. Further ones are stopped for without a name.
const KNOWN_MAPS: usize = 4096;
/// Bytes of a path that are kept: its end, where the file's name is.
const PATH_WORDS: usize = 24;
const PATH_BYTES: usize = PATH_WORDS * 8;
/// The start of a slot that is being filled; no map starts there.
const CLAIMED: usize = 1;

static MAPS: [Slot; KNOWN_MAPS] = [const { Slot::free() }; KNOWN_MAPS];

/// A map that is known to the handler.
struct Slot {
    /// Its address; 0 where the slot is free.
    start: AtomicUsize,
    length: AtomicUsize,
    path: [AtomicU64; PATH_WORDS],
}

impl Slot {
    const fn free() -> Slot {
        Slot {
            start: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            path: [const { AtomicU64::new(0) }; PATH_WORDS],
        }
    }

    /// Takes a free slot; `false` where it is not.
    fn claim(&self) -> bool {
        let claimed = self
            .start
            .compare_exchange(0, CLAIMED, Ordering::Acquire, Ordering::Relaxed);
        claimed.is_ok()
    }

    fn fill(&self, start: usize, length: usize, path: &Path) {
        let path = path.as_os_str().as_encoded_bytes();
        let tail = &path[path.len().saturating_sub(PATH_BYTES)..];
        let mut bytes = [0; PATH_BYTES];
        bytes[..tail.len()].copy_from_slice(tail);
        let words = bytes.as_chunks::<8>().0;
        for (word, bytes) in self.path.iter().zip(words) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
        self.length.store(length, Ordering::Relaxed);
        self.start.store(start, Ordering::Release);
    }

    /// How far into the map an address is; `None` where it is outside.
    fn offset_of(&self, address: usize) -> Option<usize> {
        let start = self.start.load(Ordering::Acquire);
        let offset = address.checked_sub(start)?;
        // A map ends with its last page, which a file may fill in part.
        (start > CLAIMED && offset < self.length.load(Ordering::Relaxed)).then_some(offset)
    }
}

/// Bytes of all maps that are known.
#[cfg(target_os = "linux")]
pub(super) fn mapped_bytes() -> u64 {
    let used = MAPS
        .iter()
        .filter(|slot| slot.start.load(Ordering::Acquire) > CLAIMED);
    used.map(|slot| slot.length.load(Ordering::Relaxed) as u64)
        .sum()
}

/// Keeps a map known to the handler while it lives.
#[derive(Debug)]
pub(super) struct Registration {
    slot: Option<usize>,
}

impl Registration {
    /// Makes the map of `path` known that holds `length` bytes from address `start`.
    pub(super) fn new(start: usize, length: usize, path: &Path) -> Registration {
        let slot = MAPS.iter().position(Slot::claim);
        if let Some(slot) = slot {
            MAPS[slot].fill(start, length, path);
        }
        Registration { slot }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            MAPS[slot].start.store(0, Ordering::Release);
        }
    }
}

/// A message put together on the stack. What does not fit is left out.
struct Message {
    bytes: [u8; 512],
    length: usize,
}

impl Message {
    /// What to say of a load from `address` that failed.
    fn about(address: usize) -> Message {
        let mut message = Message {
            bytes: [0; 512],
            length: 0,
        };
        message.push(b"sqd: stopped by SIGBUS: ");
        let found = MAPS
            .iter()
            .find_map(|slot| Some((slot, slot.offset_of(address)?)));
        match found {
            Some((slot, offset)) => {
                for word in &slot.path {
                    let bytes = word.load(Ordering::Relaxed).to_le_bytes();
                    bytes
                        .iter()
                        .filter(|&&byte| byte != 0)
                        .for_each(|&byte| message.push(&[byte]));
                }
                message.push(b" cannot be read at byte ");
                message.push_number(offset);
                message.push(b": the file was cut, or its medium failed");
            }
            None => message.push(b"memory of no known file cannot be read"),
        }
        message.push(b". What was acknowledged is durable; `sqd check` lists what is damaged.\n");
        message
    }

    fn push(&mut self, text: &[u8]) {
        let room = self.bytes.iter_mut().skip(self.length);
        for (to, from) in room.zip(text) {
            *to = *from;
            self.length += 1;
        }
    }

    fn push_number(&mut self, mut number: usize) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[first..]);
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// From now on, a mapped page that cannot be read ends the process with a message and
/// [`UNREADABLE_MAP_EXIT_CODE`] instead of the bare signal.
///
/// # Errors
/// Where the system refuses the handler.
pub fn stop_cleanly_on_unreadable_maps() -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "installing a signal handler; see docs/UNSAFE.md"
    )]
    // SAFETY: an all-zero `sigaction` is a valid value of that plain C struct. The handler has the
    // signature that SA_SIGINFO asks for, lives for ever, and does only what is safe in a signal
    // handler: loads of atomics, one write(2), and _exit(2).
    let outcome = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_sigbus as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut())
    };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_sigbus(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    #[expect(
        unsafe_code,
        reason = "reading what the system says of a signal; see docs/UNSAFE.md"
    )]
    // SAFETY: with SA_SIGINFO the system passes a valid `siginfo_t`, whose address field is the one
    // that it fills for SIGBUS. Where another process sent the signal the field holds something
    // else, which is looked up as a number and never dereferenced.
    let address = unsafe { (*info).si_addr() } as usize;
    let message = Message::about(address);
    let bytes = message.as_bytes();
    #[expect(
        unsafe_code,
        reason = "ending the process from a signal handler; see docs/UNSAFE.md"
    )]
    // SAFETY: the pointer and the length are those of a live slice. Both calls are
    // async-signal-safe, and `_exit` runs no destructor of what the stopped thread was amid.
    unsafe {
        libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len());
        libc::_exit(UNREADABLE_MAP_EXIT_CODE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(address: usize) -> String {
        String::from_utf8(Message::about(address).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_message_names_file_and_offset_while_the_map_lives() {
        let start = usize::MAX / 2;
        let path = Path::new("data/segments/000000000007.seg");
        let registration = Registration::new(start, 8192, path);
        let expected = "data/segments/000000000007.seg cannot be read at byte 4097:";
        assert!(
            said(start + 4097).contains(expected),
            "{}",
            said(start + 4097)
        );
        let unknown = "memory of no known file";
        assert!(said(start + 8192).contains(unknown));
        assert!(said(start - 1).contains(unknown));
        drop(registration);
        assert!(said(start + 4097).contains(unknown));
    }

    #[test]
    fn the_end_of_a_long_path_is_named() {
        let start = usize::MAX / 4;
        let path = format!("/{}/segments/000000000001.seg", "x".repeat(400));
        let _registration = Registration::new(start, 1, Path::new(&path));
        let said = said(start);
        assert!(said.contains("xxx/segments/000000000001.seg cannot be read at byte 0:"));
        assert!(said.ends_with(".\n"), "{said:?}");
    }
}
