//! What the medium in memory holds: bytes and names, durable and pending, and what a crash leaves.

use super::{Fault, SECTOR};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) durable_names: BTreeMap<PathBuf, usize>,
    pub(super) pending_names: Vec<NameChange>,
    pub(super) catalogs: BTreeMap<PathBuf, CatalogState>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) operations: u64,
    pub(super) fault: Option<Fault>,
    pub(super) power_is_off: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) current: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize { length: usize },
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Link { path: PathBuf, inode: usize },
    Rename { from: PathBuf, to: PathBuf },
    Unlink { path: PathBuf },
}

pub(super) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone, Default)]
pub(super) struct CatalogState {
    pub(super) current: Entries,
    pub(super) durable: Entries,
}

/// Which kind of operation asks to proceed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Space,
}

impl Disk {
    /// Counts an operation and lets it proceed, or says why not.
    pub(super) fn proceed(&mut self, needs: Needs) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        match self.fault {
            Some(Fault::PowerOff { at }) if number >= at => self.power_is_off = true,
            Some(Fault::Fail { at, kind }) if number == at => return Err(kind.into()),
            Some(Fault::Full { from }) if number >= from && needs == Needs::Space => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            _ => {}
        }
        self.powered()
    }

    pub(super) fn powered(&self) -> io::Result<()> {
        if self.power_is_off {
            Err(io::Error::other("the power is off"))
        } else {
            Ok(())
        }
    }

    pub(super) fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn names_after_crash(&self, dice: &mut Dice) -> BTreeMap<PathBuf, usize> {
        let mut names = self.durable_names.clone();
        for change in &self.pending_names {
            if dice.keeps() {
                change.apply(&mut names);
            }
        }
        names
    }
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Link { path, inode } => {
                names.insert(path.clone(), *inode);
            }
            NameChange::Rename { from, to } => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            NameChange::Unlink { path } => {
                names.remove(path);
            }
        }
    }

    pub(super) fn is_in(&self, directory: &Path) -> bool {
        let (NameChange::Link { path, .. }
        | NameChange::Rename { to: path, .. }
        | NameChange::Unlink { path }) = self;
        path.parent() == Some(directory)
    }
}

impl Inode {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn after_crash(&self, dice: &mut Dice) -> Inode {
        let mut durable = self.durable.clone();
        for change in &self.pending {
            if dice.keeps() {
                change.apply(&mut durable);
            } else if dice.tears() {
                change.apply_torn(&mut durable, dice);
            }
        }
        Inode {
            current: durable.clone(),
            durable,
            pending: Vec::new(),
        }
    }
}

impl Change {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write {
                offset,
                bytes: written,
            } => {
                let end = offset + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(written);
            }
            Change::Resize { length } => bytes.resize(*length, 0),
        }
    }

    /// Applies a write sector by sector, keeping some.
    pub(super) fn apply_torn(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        let Change::Write {
            offset,
            bytes: written,
        } = self
        else {
            return;
        };
        let mut from = 0;
        while from < written.len() {
            let to = (from + SECTOR - (offset + from) % SECTOR).min(written.len());
            if dice.keeps() {
                let sector = written[from..to].to_vec();
                Change::Write {
                    offset: offset + from,
                    bytes: sector,
                }
                .apply(bytes);
            }
            from = to;
        }
    }
}

/// Choices drawn from a seed (splitmix64), so that a failing case can be run again.
pub(super) struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice { seed, state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn keeps(&mut self) -> bool {
        match self.seed {
            0 => false,
            1 => true,
            _ => self.next().is_multiple_of(2),
        }
    }

    fn tears(&mut self) -> bool {
        self.seed > 1 && self.next().is_multiple_of(2)
    }
}
