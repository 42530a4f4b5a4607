//! The medium as a file system that a real process can use, through FUSE.
//!
//! The kernel sends each write at once (there is no write-back cache), so what a process wrote and
//! did not sync is pending in the [`Medium`]; its page cache serves reads and maps. `sync_file_range`
//! reaches no file system and makes nothing durable here, as on a drive with a volatile cache.
//!
//! When the power goes, the operation under way and all later ones wait until the process that asked
//! was killed, and fail then: a process without power is given no answer, so it cannot act on one.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs,
    ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use phext_tests::error::{Context, Error};

use crate::medium::{Directory, File, Medium, Node};
use crate::power::Power;

/// How long the kernel may remember names and lengths: nothing else changes them.
const VALIDITY: Duration = Duration::from_secs(60);

/// A mounted medium.
pub(crate) struct Mount {
    session: BackgroundSession,
    power: Arc<Power>,
}

impl Mount {
    /// Mounts a medium at an empty directory.
    pub(crate) fn new(medium: Medium, at: &Path) -> Result<Self, Error> {
        let power = Arc::new(Power::new(medium));
        let files = Files {
            power: Arc::clone(&power),
        };
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("power_cuts".to_owned()),
            MountOption::NoAtime,
        ];
        let session = fuser::spawn_mount(files, at, &config)
            .context(|| format!("mounting at {}", at.display()))?;
        Ok(Self { session, power })
    }

    /// The switch of its power.
    pub(crate) fn power(&self) -> &Arc<Power> {
        &self.power
    }

    /// Unmounts, and gives the medium as it was when the power went.
    pub(crate) fn unmount(self) -> Result<Medium, Error> {
        let unmounted = match self.session.umount_and_join() {
            // Seen once. fuser takes only ENODEV for the end of a session; that the kernel may also end one
            // with this, where it was cut rather than closed, is what we take it for.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => Ok(()),
            unmounted => unmounted,
        };
        unmounted.context(|| "unmounting the file system")?;
        Ok(self.power.take())
    }
}

struct Files {
    power: Arc<Power>,
}

type Answer<T> = Result<T, Errno>;

impl Files {
    /// Runs a change of the medium, unless the power is off.
    fn change<T>(&self, change: impl FnOnce(&mut Medium) -> Answer<T>) -> Answer<T> {
        self.power.change(change).unwrap_or(Err(Errno::EIO))
    }

    /// Looks at the medium, unless the power is off.
    fn look<T>(&self, look: impl FnOnce(&Medium) -> Answer<T>) -> Answer<T> {
        self.power.look(look).unwrap_or(Err(Errno::EIO))
    }

    fn make(&self, directory: INodeNo, name: &OsStr, node: fn() -> Node) -> Answer<FileAttr> {
        self.change(|medium| {
            if medium.find(directory.0, name).is_some() {
                return Err(Errno::EEXIST);
            }
            let number = medium.make(directory.0, name, node());
            attributes(medium, number.ok_or(Errno::ENOENT)?)
        })
    }

    fn rename_node(
        &self,
        from: (INodeNo, &OsStr),
        to: (INodeNo, &OsStr),
        flags: RenameFlags,
    ) -> Answer<()> {
        if !flags.is_empty() {
            return Err(Errno::EINVAL);
        }
        if from.0 != to.0 {
            return Err(Errno::EXDEV);
        }
        self.change(|medium| medium.rename(from.0.0, from.1, to.1).ok_or(Errno::ENOENT))
    }

    fn remove(&self, directory: INodeNo, name: &OsStr) -> Answer<()> {
        self.change(|medium| {
            let number = medium.find(directory.0, name).ok_or(Errno::ENOENT)?;
            if let Some(Node::Directory(removed)) = medium.node(number)
                && !removed.current.is_empty()
            {
                return Err(Errno::ENOTEMPTY);
            }
            medium.name(directory.0, name, None).ok_or(Errno::ENOENT)
        })
    }
}

fn attributes(medium: &Medium, number: u64) -> Answer<FileAttr> {
    let (kind, size, nlink) = match medium.node(number).ok_or(Errno::ENOENT)? {
        Node::File(file) => (FileType::RegularFile, file.current.len() as u64, 1),
        Node::Directory(_) => (FileType::Directory, 4096, 2),
    };
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    Ok(FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm: 0o755,
        nlink,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    })
}

fn end(reply: ReplyEmpty, answer: Answer<()>) {
    match answer {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn entry(reply: ReplyEntry, answer: Answer<FileAttr>) {
    match answer {
        Ok(attributes) => reply.entry(&VALIDITY, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

/// Offsets and lengths come from a 64-bit kernel.
fn small(number: u64) -> usize {
    usize::try_from(number).expect("a file of the test fits into memory")
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, directory: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.look(|medium| {
            let number = medium.find(directory.0, name).ok_or(Errno::ENOENT)?;
            attributes(medium, number)
        });
        entry(reply, found);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.look(|medium| attributes(medium, number.0)) {
            Ok(attributes) => reply.attr(&VALIDITY, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changed = self.change(|medium| {
            if let Some(size) = size {
                medium.resize(number.0, small(size)).ok_or(Errno::EISDIR)?;
            }
            attributes(medium, number.0)
        });
        match changed {
            Ok(attributes) => reply.attr(&VALIDITY, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, at: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let node = || Node::Directory(Directory::default());
        entry(reply, self.make(at, name, node));
    }

    fn create(
        &self,
        _: &Request,
        at: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.make(at, name, || Node::File(File::default())) {
            Ok(made) => {
                let handle = FileHandle(0);
                let flags = FopenFlags::empty();
                reply.created(&VALIDITY, &made, Generation(0), handle, flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, directory: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        end(reply, self.remove(directory, name));
    }

    fn rmdir(&self, _: &Request, directory: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        end(reply, self.remove(directory, name));
    }

    fn rename(
        &self,
        _: &Request,
        from: INodeNo,
        name: &OsStr,
        to: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let renamed = self.rename_node((from, name), (to, new_name), flags);
        end(reply, renamed);
    }

    fn link(
        &self,
        _: &Request,
        number: INodeNo,
        directory: INodeNo,
        name: &OsStr,
        reply: ReplyEntry,
    ) {
        let linked = self.change(|medium| {
            if medium.find(directory.0, name).is_some() {
                return Err(Errno::EEXIST);
            }
            let named = medium.name(directory.0, name, Some(number.0));
            named.ok_or(Errno::ENOENT)?;
            attributes(medium, number.0)
        });
        entry(reply, linked);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // The page cache of this mount is right: nothing changes files behind its back.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.look(|medium| match medium.node(number.0) {
            Some(Node::File(file)) => {
                let from = small(offset).min(file.current.len());
                let to = (from + size as usize).min(file.current.len());
                Ok(file.current[from..to].to_vec())
            }
            _ => Err(Errno::EISDIR),
        });
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let write = |medium: &mut Medium| {
            medium
                .write(number.0, small(offset), data)
                .ok_or(Errno::EISDIR)
        };
        match self.change(write) {
            Ok(()) => reply.written(u32::try_from(data.len()).expect("a request's size")),
            Err(error) => reply.error(error),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let end_of_room = small(offset + length);
        let reserved = self.change(|medium| match medium.node(number.0) {
            Some(Node::File(file)) if file.current.len() >= end_of_room => Ok(()),
            Some(Node::File(_)) => medium.resize(number.0, end_of_room).ok_or(Errno::EISDIR),
            _ => Err(Errno::EISDIR),
        });
        end(reply, reserved);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = self.change(|medium| medium.sync(number.0).ok_or(Errno::ENOENT));
        end(reply, synced);
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = self.change(|medium| medium.sync(number.0).ok_or(Errno::ENOENT));
        end(reply, synced);
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let names = self.look(|medium| match medium.node(number.0) {
            Some(Node::Directory(directory)) => Ok(directory.current.clone()),
            _ => Err(Errno::ENOTDIR),
        });
        let names = match names {
            Ok(names) => names,
            Err(error) => return reply.error(error),
        };
        let here = [".", ".."].map(|name| (OsStr::new(name).to_owned(), number.0));
        let all = here.into_iter().chain(names);
        for (next, (name, number)) in (1..).zip(all).skip(small(offset)) {
            let kind = self.look(|medium| attributes(medium, number));
            let kind = kind.map_or(FileType::RegularFile, |attributes| attributes.kind);
            if reply.add(INodeNo(number), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let blocks = 1 << 24;
        reply.statfs(blocks, blocks, blocks, blocks, blocks, 4096, 255, 4096);
    }
}
