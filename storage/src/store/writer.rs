//! The one writer: turns queued batches into log records and the next state.

use super::Shared;
use super::batch::{Commit, WriteBatch, WriteOp, validate_name};
use super::commit::Request;
use super::durable::DurableMark;
use super::options::Options;
use super::state::{Phext, State, memtable_bytes};
use super::statistics::add;
use crate::error::{Result, StoreError};
use crate::log::{
    Group, KEPT_BUFFER_BYTES, LogWriter, Lsn, MAX_PAYLOAD_BYTES, OldLog, Operation, Payload, Record,
};
use crate::page_table::Location;
use crate::segment::Probe;
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The most that a batch may take in the log: a record's limit, less room for the phext's name.
const MAX_BATCH_BYTES: usize = MAX_PAYLOAD_BYTES - (1 << 20);

/// What only the leader of the queue and the maintenance of the log touch.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) log: LogWriter,
    pub(super) mark: DurableMark,
    /// The LSN of the next record. All before it are durable, unless the store is poisoned.
    pub(super) next_lsn: Lsn,
    /// Log files before the current one.
    pub(super) old_logs: Vec<OldLog>,
    /// Phexts changed since the last freeze.
    pub(super) dirty: BTreeSet<Arc<str>>,
    /// Where a payload is encoded; empty between records.
    pub(super) payload: Vec<u8>,
    /// The states before the current one. A reader whose snapshot is the last of its state takes apart
    /// what the next commit replaced, a millisecond's work where that was a batch of hundreds: so the
    /// writer lets go of a state later than readers do, which hold them for less than a few commits.
    pub(super) recent: Recent,
}

/// States before the current one, the newest last.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Arc<State>>);

impl Recent {
    const MOST: usize = 4;
    /// Bytes of replaced scrolls above which a state is not kept: together they hold at most four times as
    /// many. Sealings and merges, which replace more, forget them all.
    const MOST_REPLACED_BYTES: u64 = 4 << 20;

    /// Keeps one more, which holds scrolls of these bytes that its successor does not. Gives those that
    /// are kept no longer.
    fn keep(&mut self, state: Arc<State>, replaced_bytes: u64) -> Recent {
        if replaced_bytes > Recent::MOST_REPLACED_BYTES {
            return std::mem::take(self);
        }
        self.0.push_back(state);
        let superfluous = self.0.len().saturating_sub(Recent::MOST);
        Recent(self.0.drain(..superfluous).collect())
    }
}

impl Writer {
    /// Gathers a record for the next flush of the log.
    pub(super) fn push(&mut self, payload: &Payload, lsn: Lsn) {
        payload.encode(&mut self.payload);
        self.log.push(&Record {
            lsn,
            durable_lsn: self.next_lsn - 1,
            payload: &self.payload,
        });
        self.payload.clear();
        self.payload.shrink_to(KEPT_BUFFER_BYTES);
    }

    fn mark_dirty(&mut self, phext: &str) {
        if !self.dirty.contains(phext) {
            self.dirty.insert(Arc::from(phext));
        }
    }
}

impl Shared {
    /// Logs and syncs that the catalog has reached this sequence number.
    pub(super) fn log_checkpoint(&self, sequence: u64) -> Result<()> {
        let mut writer = self.writer.lock();
        self.check_poison()?;
        let lsn = writer.next_lsn;
        writer.push(&Payload::Checkpoint { sequence }, lsn);
        if let Err(error) = writer.log.prepare() {
            writer.log.discard();
            return Err(self.poison_unless_full(error));
        }
        let written = writer.log.flush().map_err(|error| self.poison(&error))?;
        add(&self.counters.logged_bytes, written);
        writer.next_lsn += 1;
        self.mark_durable(&writer);
        Ok(())
    }

    /// Commits a group of batches: one log write, one sync, one publication. Gives the states that are
    /// kept no longer, which take a while to take apart.
    pub(super) fn lead(&self, requests: Vec<Request>) -> Recent {
        if requests.is_empty() {
            return Recent::default();
        }
        match self.commit_requests(&requests) {
            Ok((outcomes, superfluous)) => {
                for (request, outcome) in requests.into_iter().zip(outcomes) {
                    request.complete(outcome);
                }
                if self.state.load().active_bytes > self.options.memtable_bytes {
                    self.request_seal();
                }
                superfluous
            }
            Err(error) => {
                fail(requests, &error);
                Recent::default()
            }
        }
    }

    fn commit_requests(&self, requests: &[Request]) -> Result<(Vec<Result<Commit>>, Recent)> {
        self.make_room()?;
        let commit = || self.commit_group(&mut self.writer.lock(), requests);
        self.unless_it_panics("a commit", commit)
    }

    /// Gives each batch's own outcome and the states that are kept no longer, or the error that
    /// concerns all batches.
    fn commit_group(
        &self,
        writer: &mut Writer,
        requests: &[Request],
    ) -> Result<(Vec<Result<Commit>>, Recent)> {
        self.check_poison()?;
        let before = self.state.load_full();
        prefetch_replaced(&before, requests);
        let mut state = State::clone(&before);
        let mut lsn = writer.next_lsn;
        let mut last_lsn = state.lsn;
        let mut user_bytes = 0;
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            let applied = apply_batch(&mut state, &request.batch, &self.options, lsn);
            outcomes.push(applied.map(|applied| {
                if let Some(group) = applied.group {
                    user_bytes += group
                        .operations
                        .iter()
                        .map(Operation::user_bytes)
                        .sum::<usize>();
                    writer.mark_dirty(&group.name);
                    writer.push(&Payload::Batch(vec![group]), lsn);
                    last_lsn = lsn;
                    lsn += 1;
                }
                // A batch that changed nothing takes the place of the one before it.
                Commit {
                    lsn: last_lsn,
                    previous_lengths: applied.previous_lengths,
                }
            }));
        }
        if lsn == writer.next_lsn {
            return Ok((outcomes, Recent::default()));
        }
        if let Err(error) = writer.log.prepare() {
            writer.log.discard();
            return Err(self.poison_unless_full(error));
        }
        let written = writer
            .log
            .flush()
            .map_err(|error| match self.poison(&error) {
                // Space that is freed does not help any more: not what this error tells people.
                StoreError::DiskFull { .. } => StoreError::Poisoned {
                    cause: error.to_string(),
                },
                error => error,
            })?;
        add(&self.counters.user_bytes, user_bytes as u64);
        add(&self.counters.logged_bytes, written);
        writer.next_lsn = lsn;
        state.lsn = lsn - 1;
        self.state.store(Arc::new(state));
        self.mark_durable(writer);
        let superfluous = writer.recent.keep(before, replaced_bytes(&outcomes));
        Ok((outcomes, superfluous))
    }

    /// Lets go of earlier states, so that nothing but snapshots keeps what was sealed or merged since.
    pub(super) fn forget_recent(&self) {
        let recent = std::mem::take(&mut self.writer.lock().recent);
        // Not under the lock: this is what takes long.
        drop(recent);
    }

    /// Tells readers without the lock how far the log is durable, before anybody is told of the
    /// commit. Where this fails the commit stands: it is durable. What comes after it is refused, as
    /// after any failed write. Whoever waits for the store to be idle is told as well.
    pub(super) fn mark_durable(&self, writer: &Writer) {
        if let Err(error) = writer.mark.set(writer.next_lsn - 1) {
            self.poison_unless_full(error);
        }
        self.watch_idleness();
    }
}

/// At most this many scrolls are asked for ahead of a group: what they take is to fit the cache.
const MOST_PREFETCHED: usize = 256;

/// Asks for what the batches will look up in parts to be brought into the cache: applied one by one,
/// each would wait for memory a few times.
fn prefetch_replaced(state: &State, requests: &[Request]) {
    let operations = requests
        .iter()
        .map(|request| request.batch.operations.len());
    if operations.sum::<usize>() < 2 {
        return;
    }
    let sought = requests.iter().filter_map(|request| {
        let phext = state.phexts.get(request.batch.phext.as_str())?;
        let operations = request.batch.operations.iter();
        Some(operations.map(move |op| (phext, op.coordinate(), Probe::new(op.coordinate()))))
    });
    let sought: Vec<_> = sought.flatten().take(MOST_PREFETCHED).collect();
    for (phext, coordinate, probe) in &sought {
        phext.prefetch_buckets(coordinate, *probe);
    }
    for (phext, coordinate, probe) in &sought {
        phext.prefetch_entries(coordinate, *probe);
    }
}

/// Bytes of the scrolls that these batches took the place of.
fn replaced_bytes(outcomes: &[Result<Commit>]) -> u64 {
    let commits = outcomes.iter().flatten();
    commits
        .flat_map(|commit| &commit.previous_lengths)
        .flatten()
        .sum()
}

fn fail(requests: Vec<Request>, error: &StoreError) {
    for request in requests {
        request.complete(Err(error.clone()));
    }
}

struct Applied {
    /// What to log; `None` where nothing changed.
    group: Option<Group>,
    previous_lengths: Vec<Option<u64>>,
}

/// Applies a batch to `state`, whole or not at all.
fn apply_batch(
    state: &mut State,
    batch: &WriteBatch,
    options: &Options,
    lsn: Lsn,
) -> Result<Applied> {
    validate_name(&batch.phext)?;
    let exists = state.phexts.contains_key(batch.phext.as_str());
    let only_deletes = batch
        .operations
        .iter()
        .all(|op| matches!(op, WriteOp::Delete { .. }));
    if !exists && only_deletes {
        let previous_lengths = vec![None; batch.operations.len()];
        return Ok(Applied {
            group: None,
            previous_lengths,
        });
    }
    // A single operation changes nothing where it fails; several need something to return to.
    let before = (batch.operations.len() > 1 || !exists).then(|| state.clone());
    let applied = apply_operations(state, batch, options);
    if let (Err(_), Some(before)) = (&applied, before) {
        *state = before;
    }
    let mut applied = applied?;
    state.lsn = lsn;
    if exists
        && applied
            .group
            .as_ref()
            .is_some_and(|group| group.operations.is_empty())
    {
        applied.group = None;
    }
    Ok(applied)
}

fn apply_operations(state: &mut State, batch: &WriteBatch, options: &Options) -> Result<Applied> {
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as u64)
    };
    let id = state.id_for(&batch.phext);
    let (active_bytes, phext) = state.phext_mut(&batch.phext, || (id, options.order, now()));
    let mut operations = Vec::with_capacity(batch.operations.len());
    let mut previous_lengths = Vec::with_capacity(batch.operations.len());
    let mut bytes = 0;
    for op in &batch.operations {
        let operation = resolve(phext, op, options.max_scroll_bytes)?;
        bytes += operation.logged_bytes();
        if bytes > MAX_BATCH_BYTES {
            return Err(StoreError::BatchTooLarge {
                limit: MAX_BATCH_BYTES as u64,
            });
        }
        let previous = apply(phext, &operation, active_bytes)?;
        previous_lengths.push(previous);
        if previous.is_some() || matches!(operation, Operation::Put(..)) {
            operations.push(operation);
        }
    }
    let group = Group {
        phext: phext.id,
        name: batch.phext.clone(),
        operations,
    };
    Ok(Applied {
        group: Some(group),
        previous_lengths,
    })
}

/// Applies a logged operation. Gives the length of the scroll that was there.
pub(super) fn apply(
    phext: &mut Phext,
    operation: &Operation,
    active_bytes: &mut u64,
) -> Result<Option<u64>> {
    match operation {
        Operation::Put(coordinate, text) => {
            let previous = phext.put(*coordinate, text.clone())?;
            *active_bytes += memtable_bytes(text.len());
            Ok(previous)
        }
        Operation::Delete(coordinate) => {
            let previous = phext.take(coordinate)?;
            if previous.is_some() {
                // It takes no memory but room in the log, which only sealing gives back.
                *active_bytes += memtable_bytes(0);
            }
            Ok(previous)
        }
    }
}

/// Applies a logged operation that [`apply`] failed to, without hiding what was there.
pub(super) fn apply_over(phext: &mut Phext, operation: &Operation, active_bytes: &mut u64) {
    if let Operation::Put(coordinate, text) = operation {
        phext.put_over(*coordinate, text.clone());
        *active_bytes += memtable_bytes(text.len());
    }
}

/// What an operation comes to: the whole text of a put, or a delete.
fn resolve(phext: &Phext, op: &WriteOp, limit: u64) -> Result<Operation> {
    let (coordinate, text) = match op {
        WriteOp::Put { coordinate, text } => (coordinate, text.clone()),
        WriteOp::Append { coordinate, text } => match phext.locate(coordinate)? {
            Location::Absent => (coordinate, text.clone()),
            old => (coordinate, concatenate(old.text()?, text)),
        },
        WriteOp::Delete { coordinate } => return Ok(Operation::Delete(*coordinate)),
    };
    let length = text.len() as u64;
    if length > limit {
        return Err(StoreError::ScrollTooLarge {
            coordinate: *coordinate,
            length,
            limit,
        });
    }
    if text.is_empty() {
        return Ok(Operation::Delete(*coordinate));
    }
    Ok(Operation::Put(*coordinate, text))
}

fn concatenate(old: &[u8], added: &[u8]) -> Bytes {
    let mut text = BytesMut::with_capacity(old.len() + added.len());
    text.extend_from_slice(old);
    text.extend_from_slice(added);
    text.freeze()
}

impl State {
    /// A phext to change, created with what `new` gives (id, order, time) where it is unknown, and
    /// the count of bytes in memtables.
    pub(super) fn phext_mut(
        &mut self,
        name: &str,
        new: impl FnOnce() -> (u64, crate::segment::Order, u64),
    ) -> (&mut u64, &mut Phext) {
        if !self.phexts.contains_key(name) {
            let (id, order, created_ms) = new();
            self.next_phext = self.next_phext.max(id + 1);
            let name: Arc<str> = Arc::from(name);
            let phext = Phext::new(id, Arc::clone(&name), order, created_ms);
            self.phexts.insert(name, Arc::new(phext));
        }
        let phext = self
            .phexts
            .get_mut(name)
            .expect("it was there, or was just inserted");
        (&mut self.active_bytes, Arc::make_mut(phext))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::MemoryVfs;
    use std::path::Path;

    /// A commit of one scroll, and the state before it.
    fn put(shared: &Shared, text: &[u8]) -> std::sync::Weak<State> {
        let before = Arc::downgrade(&shared.state.load_full());
        let operation = WriteOp::Put {
            coordinate: crate::coordinate::Coordinate::ORIGIN,
            text: Bytes::copy_from_slice(text),
        };
        let batch = WriteBatch {
            phext: "a".to_owned(),
            operations: vec![operation],
        };
        let lead = |requests| shared.lead(requests);
        shared.queue.commit(batch, lead).unwrap();
        before
    }

    fn shared() -> Shared {
        let options = Options {
            background: false,
            ..Options::default()
        };
        super::super::open::open(Arc::new(MemoryVfs::new()), Path::new("/store"), options).unwrap()
    }

    fn alive(states: &[std::sync::Weak<State>]) -> Vec<bool> {
        let alive = |state: &std::sync::Weak<State>| state.strong_count() > 0;
        states.iter().map(alive).collect()
    }

    #[test]
    fn the_writer_keeps_the_last_four_states_until_it_forgets_them() {
        let shared = shared();
        let states: Vec<_> = (0..6).map(|n| put(&shared, &[b'a' + n])).collect();
        assert_eq!(alive(&states), [false, false, true, true, true, true]);
        shared.forget_recent();
        assert_eq!(alive(&states), [false; 6]);
    }

    #[test]
    fn a_state_that_holds_much_is_not_kept() {
        let shared = shared();
        let large = vec![b'x'; Recent::MOST_REPLACED_BYTES as usize + 1];
        let states = [
            put(&shared, b"small"),
            put(&shared, &large),
            put(&shared, b"small again"),
        ];
        assert_eq!(alive(&states), [false; 3]);
    }
}
