//! fjall.

use std::ops::ControlFlow;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};

use crate::engine::{Engine, Kind, Load, Outcome, Put, Reader, Sizing};
use crate::key::Packed;
use crate::ordered::{Ordered, OrderedReader};
use crate::workload::Workload;

pub(crate) const KIND: Kind = Kind {
    name: "fjall",
    settings: "fjall 3; cache of 2 x the data, flushed and compacted after the load, one snapshot per cell",
    put_durability: "insert, then fdatasync of the journal (PersistMode::SyncData)",
    load_durability: "sorted: ingestion of tables, synced by it; else batches of 4,096, journal synced at the end",
    supports: |workload| workload != Workload::Callbacks,
    open: |directory, sizing| Ok(Box::new(Fjall::open(directory, sizing)?)),
};

const BATCH_RECORDS: usize = 4_096;

struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

impl Fjall {
    fn open(directory: &Path, sizing: Sizing) -> Outcome<Fjall> {
        let database = Database::builder(directory)
            .cache_size(sizing.cache_bytes())
            .open()?;
        let keyspace = database.keyspace("scrolls", KeyspaceCreateOptions::default)?;
        Ok(Fjall { database, keyspace })
    }

    fn ingest(&self, load: Load<'_>) -> Outcome {
        let mut ingestion = self.keyspace.start_ingestion()?;
        for (key, text) in load.packed_records() {
            ingestion.write(&key[..], text)?;
        }
        Ok(ingestion.finish()?)
    }

    fn insert(&self, load: Load<'_>) -> Outcome {
        let mut records = load.packed_records().peekable();
        while records.peek().is_some() {
            let mut batch = self.database.batch();
            for (key, text) in records.by_ref().take(BATCH_RECORDS) {
                batch.insert(&self.keyspace, &key[..], text);
            }
            batch.commit()?;
        }
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

impl Engine for Fjall {
    fn load(&self, load: Load<'_>) -> Outcome {
        if load.is_sorted() {
            self.ingest(load)
        } else {
            self.insert(load)
        }
    }

    fn settle(&mut self) -> Outcome {
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.keyspace.major_compact()?)
    }

    fn reader(&self) -> Outcome<Box<dyn Reader + '_>> {
        Ok(Box::new(OrderedReader(View {
            snapshot: self.database.snapshot(),
            keyspace: &self.keyspace,
        })))
    }

    fn put(&self, put: &Put) -> Outcome {
        self.keyspace.insert(&put.key.packed[..], &put.text[..])?;
        Ok(self.database.persist(PersistMode::SyncData)?)
    }
}

struct View<'e> {
    snapshot: Snapshot,
    keyspace: &'e Keyspace,
}

impl Ordered for View<'_> {
    fn get(&self, key: &Packed, read: impl FnOnce(&[u8])) -> Outcome {
        if let Some(value) = self.snapshot.get(self.keyspace, key)? {
            read(&value);
        }
        Ok(())
    }

    fn walk(
        &self,
        from: &Packed,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Outcome {
        for record in self.snapshot.range(self.keyspace, &from[..]..) {
            let (key, value) = record.into_inner()?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
