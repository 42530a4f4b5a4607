//! What the medium in memory holds: bytes and names, durable and pending, and what a crash leaves.

use super::{Fault, Losses, Moment, SECTOR, Watch};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) durable_names: BTreeMap<PathBuf, usize>,
    pub(super) pending_names: Vec<NameChange>,
    pub(super) catalogs: BTreeMap<PathBuf, CatalogState>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) operations: u64,
    pub(super) accesses: u64,
    pub(super) fault: Option<Fault>,
    pub(super) power_is_off: bool,
    pub(super) losses: Losses,
    pub(super) watch: Option<Watch>,
}

/// Bytes are shared between a medium, its maps and its survivors until one of them changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) current: Arc<Vec<u8>>,
    pub(super) durable: Arc<Vec<u8>>,
    pub(super) pending: Vec<Change>,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize { length: usize },
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Link {
        path: PathBuf,
        inode: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        inode: usize,
    },
    Unlink {
        path: PathBuf,
    },
}

pub(super) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone, Default)]
pub(super) struct CatalogState {
    pub(super) current: Entries,
    pub(super) durable: Entries,
    /// Whether the two may differ.
    pub(super) is_pending: bool,
}

impl CatalogState {
    /// A catalog of which everything is durable.
    pub(super) fn flushed(entries: Entries) -> CatalogState {
        CatalogState {
            current: entries.clone(),
            durable: entries,
            is_pending: false,
        }
    }
}

/// Which kind of operation asks to proceed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Space,
}

impl Disk {
    /// Counts a changing operation and lets it proceed, or says why not.
    pub(super) fn proceed(&mut self, needs: Needs) -> io::Result<()> {
        if let Some(Watch(watch)) = &self.watch {
            watch(&Moment { disk: self });
        }
        let number = self.operations;
        self.operations += 1;
        self.access()?;
        match self.fault {
            Some(Fault::PowerOff { at }) if number >= at => self.power_is_off = true,
            Some(
                Fault::Fail { at, kind }
                | Fault::FailDone { at, kind }
                | Fault::FailThenFull { at, kind },
            ) if number == at => {
                return Err(kind.into());
            }
            _ => {}
        }
        if self.is_full_at(number) && needs == Needs::Space {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.powered()
    }

    /// Whether the next operation finds no space.
    pub(super) fn is_full(&self) -> bool {
        self.is_full_at(self.operations)
    }

    fn is_full_at(&self, number: u64) -> bool {
        match self.fault {
            Some(Fault::Full { from }) => number >= from,
            Some(Fault::FailThenFull { at, .. }) => number > at,
            _ => false,
        }
    }

    /// Counts an access of any kind and lets it proceed, or says why not.
    pub(super) fn access(&mut self) -> io::Result<()> {
        let number = self.accesses;
        self.accesses += 1;
        match self.fault {
            Some(Fault::FailAccess { at, kind, lasting })
                if number == at || lasting && number > at =>
            {
                Err(kind.into())
            }
            _ => self.powered(),
        }
    }

    fn powered(&self) -> io::Result<()> {
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

    /// Changes of files, names and catalogs that are not durable.
    pub(super) fn pending(&self) -> usize {
        let writes: usize = self.inodes.iter().map(|inode| inode.pending.len()).sum();
        let catalogs = self.catalogs.values().filter(|state| state.is_pending);
        writes + self.pending_names.len() + catalogs.count()
    }

    /// See [`super::MemoryVfs::after_crash`].
    pub(super) fn after_crash(&self, seed: u64) -> Disk {
        let mut dice = Dice::new(seed);
        let mut losses = Losses::default();
        let names = self.names_after_crash(&mut dice, &mut losses);
        // Files without a name are gone; leaving them out keeps a survivor small.
        let named: BTreeSet<usize> = names.values().copied().collect();
        let inodes = (0..).zip(&self.inodes).map(|(id, inode)| {
            if named.contains(&id) {
                inode.after_crash(&mut dice, &mut losses)
            } else {
                Inode::default()
            }
        });
        let inodes = inodes.collect();
        let catalogs = self.catalogs.iter().map(|(path, state)| {
            let keeps = dice.keeps();
            if state.is_pending {
                losses.transactions_kept += u64::from(keeps);
                losses.transactions_lost += u64::from(!keeps);
            }
            let entries = if keeps {
                &state.current
            } else {
                &state.durable
            };
            (path.clone(), CatalogState::flushed(entries.clone()))
        });
        let catalogs = catalogs.collect();
        Disk {
            inodes,
            durable_names: names.clone(),
            names,
            catalogs,
            losses,
            ..Disk::default()
        }
    }

    fn names_after_crash(&self, dice: &mut Dice, losses: &mut Losses) -> BTreeMap<PathBuf, usize> {
        let mut names = self.durable_names.clone();
        for change in &self.pending_names {
            if dice.keeps() {
                change.apply(&mut names);
                losses.names_kept += 1;
            } else {
                losses.names_lost += 1;
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
            // The new name may have reached the medium without the one that it replaces.
            NameChange::Rename { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
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
        change.apply(Arc::make_mut(&mut self.current));
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let durable = Arc::make_mut(&mut self.durable);
        for change in self.pending.drain(..) {
            change.apply(durable);
        }
    }

    pub(super) fn after_crash(&self, dice: &mut Dice, losses: &mut Losses) -> Inode {
        let mut durable = Arc::clone(&self.durable);
        let mut lost_before = false;
        for change in &self.pending {
            let fate = dice.fate();
            let is_kept = fate == Fate::Kept;
            losses.count(fate, is_kept && lost_before);
            lost_before |= !is_kept;
            match fate {
                Fate::Kept => change.apply(Arc::make_mut(&mut durable)),
                Fate::Torn => change.apply_torn(Arc::make_mut(&mut durable), dice),
                Fate::LengthOnly => change.apply_length(Arc::make_mut(&mut durable)),
                Fate::Lost => {}
            }
        }
        Inode {
            current: Arc::clone(&durable),
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

    /// Makes the file as long as it would be, with zeros where bytes were lost.
    fn apply_length(&self, bytes: &mut Vec<u8>) {
        if let Change::Write {
            offset,
            bytes: written,
        } = self
        {
            let end = offset + written.len();
            bytes.resize(bytes.len().max(end), 0);
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

    fn fate(&mut self) -> Fate {
        match self.seed {
            0 => Fate::Lost,
            1 => Fate::Kept,
            _ => match self.next() % 8 {
                0..4 => Fate::Kept,
                4..6 => Fate::Torn,
                6 => Fate::LengthOnly,
                _ => Fate::Lost,
            },
        }
    }
}

/// What becomes of a pending change of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    /// Some of its sectors are there.
    Torn,
    /// The file's new length is there, its bytes are not.
    LengthOnly,
    Lost,
}
