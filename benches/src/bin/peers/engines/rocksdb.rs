//! RocksDB, with the feature `rocksdb`: its bindings need libclang.

use std::ops::ControlFlow;
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, Direction, FlushOptions, IteratorMode, Options,
    SnapshotWithThreadMode, WriteBatch, WriteOptions,
};

use crate::engine::{Engine, Kind, Load, Outcome, Put, Reader, Sizing};
use crate::key::Packed;
use crate::ordered::{Ordered, OrderedReader};
use crate::workload::Workload;

pub(crate) const KIND: Kind = Kind {
    name: "rocksdb",
    settings: "rocksdb 0.25; block cache of 2 x the data, bloom filter of 10 bits, compacted after the load, one snapshot per cell",
    put_durability: "fdatasync of the write-ahead log at each put (sync=true)",
    load_durability: "batches of 4,096, write-ahead log synced at the end",
    supports: |workload| workload != Workload::Callbacks,
    open: |directory, sizing| Ok(Box::new(Rocks::open(directory, sizing)?)),
};

const BATCH_RECORDS: usize = 4_096;

struct Rocks {
    db: DB,
    durable: WriteOptions,
}

impl Rocks {
    fn open(directory: &Path, sizing: Sizing) -> Outcome<Rocks> {
        let mut blocks = BlockBasedOptions::default();
        let cache = Cache::new_lru_cache(usize::try_from(sizing.cache_bytes())?);
        blocks.set_block_cache(&cache);
        blocks.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&blocks);
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        let db = DB::open(&options, directory)?;
        Ok(Rocks { db, durable })
    }
}

impl Engine for Rocks {
    fn load(&self, load: Load<'_>) -> Outcome {
        let mut records = load.packed_records().peekable();
        while records.peek().is_some() {
            let mut batch = WriteBatch::default();
            for (key, text) in records.by_ref().take(BATCH_RECORDS) {
                batch.put(key, text);
            }
            self.db.write(batch)?;
        }
        Ok(self.db.flush_wal(true)?)
    }

    fn settle(&mut self) -> Outcome {
        self.db.flush_opt(&FlushOptions::default())?;
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }

    fn reader(&self) -> Outcome<Box<dyn Reader + '_>> {
        let snapshot = self.db.snapshot();
        Ok(Box::new(OrderedReader(View {
            db: &self.db,
            snapshot,
        })))
    }

    fn put(&self, put: &Put) -> Outcome {
        Ok(self.db.put_opt(put.key.packed, &put.text, &self.durable)?)
    }
}

struct View<'e> {
    db: &'e DB,
    snapshot: SnapshotWithThreadMode<'e, DB>,
}

impl Ordered for View<'_> {
    fn get(&self, key: &Packed, read: impl FnOnce(&[u8])) -> Outcome {
        let mut options = rocksdb::ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        if let Some(value) = self.db.get_pinned_opt(key, &options)? {
            read(&value);
        }
        Ok(())
    }

    fn walk(
        &self,
        from: &Packed,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Outcome {
        let mode = IteratorMode::From(from, Direction::Forward);
        for record in self.snapshot.iterator(mode) {
            let (key, value) = record?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
