//! What the file system holds: bytes and names, durable and pending, and what a power cut leaves.
//!
//! The rules are the strictest that POSIX allows: a file's bytes and length are durable after fsync
//! of the file and not before; a name is durable after fsync of its directory and not before, nor by
//! an fsync of the file. What was written and not synced may be there after a cut or not, in any
//! order, torn at 512 bytes, or leave a length without bytes.
//!
//! Sharing with the product's own medium in memory is avoided on purpose: an error of judgement in
//! one would be in both.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use phext_tests::random::Random;
use rand::Rng;

/// The root directory's number.
pub(crate) const ROOT: u64 = 1;

/// The unit in which a torn write keeps or loses bytes.
const SECTOR: usize = 512;

/// Files and directories by number.
#[derive(Debug)]
pub(crate) struct Medium {
    nodes: BTreeMap<u64, Node>,
    next: u64,
}

/// A file or directory.
#[derive(Debug)]
pub(crate) enum Node {
    File(File),
    Directory(Directory),
}

/// A file's bytes.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// A directory's names.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) current: Names,
    durable: Names,
    /// Each a change that is made as a whole: names and what they mean from now on.
    pending: Vec<Vec<(OsString, Option<u64>)>>,
}

type Names = BTreeMap<OsString, u64>;

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

/// What a power cut did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Losses {
    /// Changes of files that are not there, or not as a whole.
    pub(crate) changes: usize,
    /// Changes of names that are not there.
    pub(crate) names: usize,
}

impl Medium {
    /// A medium with an empty root directory.
    pub(crate) fn new() -> Self {
        let root = Node::Directory(Directory::default());
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
        }
    }

    /// A file or directory.
    pub(crate) fn node(&self, number: u64) -> Option<&Node> {
        self.nodes.get(&number)
    }

    /// What a name in a directory means.
    pub(crate) fn find(&self, directory: u64, name: &OsStr) -> Option<u64> {
        match self.nodes.get(&directory)? {
            Node::Directory(directory) => directory.current.get(name).copied(),
            Node::File(_) => None,
        }
    }

    /// Makes a file or directory under a name. Gives its number; `None` where there is no such
    /// directory.
    pub(crate) fn make(&mut self, directory: u64, name: &OsStr, node: Node) -> Option<u64> {
        let number = self.next;
        self.name(directory, name, Some(number))?;
        self.next += 1;
        self.nodes.insert(number, node);
        Some(number)
    }

    /// Gives a name in a directory a meaning, or takes it away. The node stays for those who have it
    /// open.
    pub(crate) fn name(&mut self, directory: u64, name: &OsStr, node: Option<u64>) -> Option<()> {
        let Some(Node::Directory(directory)) = self.nodes.get_mut(&directory) else {
            return None;
        };
        directory.change(vec![(name.to_owned(), node)]);
        Some(())
    }

    /// Renames within a directory, in one step.
    pub(crate) fn rename(&mut self, directory: u64, from: &OsStr, to: &OsStr) -> Option<()> {
        let node = self.find(directory, from)?;
        let Some(Node::Directory(directory)) = self.nodes.get_mut(&directory) else {
            return None;
        };
        directory.change(vec![(from.to_owned(), None), (to.to_owned(), Some(node))]);
        Some(())
    }

    /// Writes to a file.
    pub(crate) fn write(&mut self, number: u64, offset: usize, bytes: &[u8]) -> Option<()> {
        let bytes = bytes.to_vec();
        self.change(number, Change::Write { offset, bytes })
    }

    /// Cuts a file, or fills it with zeros, to a length.
    pub(crate) fn resize(&mut self, number: u64, length: usize) -> Option<()> {
        self.change(number, Change::Resize(length))
    }

    fn change(&mut self, number: u64, change: Change) -> Option<()> {
        let Some(Node::File(file)) = self.nodes.get_mut(&number) else {
            return None;
        };
        change.apply(&mut file.current);
        file.pending.push(change);
        Some(())
    }

    /// Makes a file's bytes, or a directory's names, durable.
    pub(crate) fn sync(&mut self, number: u64) -> Option<()> {
        match self.nodes.get_mut(&number)? {
            Node::File(file) => {
                for change in file.pending.drain(..) {
                    change.apply(&mut file.durable);
                }
            }
            Node::Directory(directory) => {
                for (name, node) in directory.pending.drain(..).flatten() {
                    set(&mut directory.durable, &name, node);
                }
            }
        }
        Some(())
    }

    /// What a power cut leaves. `random` decides what of the rest is there; without it nothing is.
    pub(crate) fn after_power_cut(self, mut random: Option<&mut Random>) -> (Self, Losses) {
        let mut losses = Losses::default();
        let nodes = self.nodes.into_iter().map(|(number, node)| {
            let node = match node {
                Node::File(file) => Node::File(file.after_power_cut(&mut random, &mut losses)),
                Node::Directory(directory) => {
                    Node::Directory(directory.after_power_cut(&mut random, &mut losses))
                }
            };
            (number, node)
        });
        let survivor = Self {
            nodes: nodes.collect(),
            next: self.next,
        };
        (survivor.without_unnamed(), losses)
    }

    /// Nodes that no name leads to are gone.
    fn without_unnamed(mut self) -> Self {
        let mut named = BTreeMap::new();
        let mut waiting = vec![ROOT];
        while let Some(number) = waiting.pop() {
            if let Some(node) = self.nodes.remove(&number) {
                if let Node::Directory(directory) = &node {
                    waiting.extend(directory.current.values());
                }
                named.insert(number, node);
            }
        }
        self.nodes = named;
        self
    }
}

impl File {
    fn after_power_cut(mut self, random: &mut Option<&mut Random>, losses: &mut Losses) -> Self {
        for change in &self.pending {
            let fate = random
                .as_mut()
                .map_or(u32::MAX, |random| random.random_range(0..8));
            match (fate, random.as_mut()) {
                (0..4, _) => {
                    change.apply(&mut self.durable);
                    continue;
                }
                (4..6, Some(random)) => change.apply_torn(&mut self.durable, random),
                (6, _) => change.apply_length(&mut self.durable),
                _ => {}
            }
            losses.changes += 1;
        }
        Self {
            current: self.durable.clone(),
            durable: self.durable,
            pending: Vec::new(),
        }
    }
}

impl Directory {
    fn change(&mut self, change: Vec<(OsString, Option<u64>)>) {
        for (name, node) in &change {
            set(&mut self.current, name, *node);
        }
        self.pending.push(change);
    }

    fn after_power_cut(mut self, random: &mut Option<&mut Random>, losses: &mut Losses) -> Self {
        for change in &self.pending {
            let is_kept = random
                .as_mut()
                .is_some_and(|random| random.random_bool(0.5));
            if !is_kept {
                losses.names += 1;
                continue;
            }
            for (name, node) in change {
                set(&mut self.durable, name, *node);
            }
        }
        Self {
            current: self.durable.clone(),
            durable: self.durable,
            pending: Vec::new(),
        }
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                self.apply_length(file);
                file[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Self::Resize(length) => file.resize(*length, 0),
        }
    }

    /// Makes the file as long as it would be.
    fn apply_length(&self, file: &mut Vec<u8>) {
        if let Self::Write { offset, bytes } = self {
            let end = offset + bytes.len();
            file.resize(file.len().max(end), 0);
        }
    }

    /// Applies some sectors of a write.
    fn apply_torn(&self, file: &mut Vec<u8>, random: &mut Random) {
        let Self::Write { offset, bytes } = self else {
            return;
        };
        let mut from = 0;
        while from < bytes.len() {
            let to = (from + SECTOR - (offset + from) % SECTOR).min(bytes.len());
            if random.random_bool(0.5) {
                let sector = Self::Write {
                    offset: offset + from,
                    bytes: bytes[from..to].to_vec(),
                };
                sector.apply(file);
            }
            from = to;
        }
    }
}

fn set(names: &mut Names, name: &OsStr, node: Option<u64>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

#[cfg(test)]
mod tests {
    use super::{File, Medium, Node, ROOT};
    use std::ffi::OsStr;

    fn bytes(medium: &Medium, name: &str) -> Option<Vec<u8>> {
        let number = medium.find(ROOT, OsStr::new(name))?;
        match medium.node(number)? {
            Node::File(file) => Some(file.current.clone()),
            Node::Directory(_) => None,
        }
    }

    #[test]
    fn only_what_was_synced_survives() {
        // (the file is synced, its directory is synced, what is left of "kept")
        let rows = [
            (true, true, Some(&b"kept"[..])),
            (false, true, Some(&b""[..])),
            (true, false, None),
            (false, false, None),
        ];
        for (file, directory, expected) in rows {
            let mut medium = Medium::new();
            let name = OsStr::new("f");
            let number = medium
                .make(ROOT, name, Node::File(File::default()))
                .unwrap();
            medium.write(number, 0, b"kept").unwrap();
            if file {
                medium.sync(number).unwrap();
            }
            if directory {
                medium.sync(ROOT).unwrap();
            }
            medium.write(number, 4, b"lost").unwrap();
            let (survivor, losses) = medium.after_power_cut(None);
            assert_eq!(bytes(&survivor, "f").as_deref(), expected);
            assert!(losses.changes > 0);
        }
    }

    #[test]
    fn a_rename_is_durable_after_its_directory() {
        let mut medium = Medium::new();
        let number = medium
            .make(ROOT, OsStr::new("a"), Node::File(File::default()))
            .unwrap();
        medium.sync(ROOT).unwrap();
        medium.sync(number).unwrap();
        medium
            .rename(ROOT, OsStr::new("a"), OsStr::new("b"))
            .unwrap();
        let (survivor, losses) = medium.after_power_cut(None);
        assert_eq!(losses.names, 1);
        assert!(bytes(&survivor, "a").is_some() && bytes(&survivor, "b").is_none());
    }
}
