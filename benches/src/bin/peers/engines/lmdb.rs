//! LMDB through heed.

use std::ops::{Bound, ControlFlow};
use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, PutFlags, RoTxn, WithTls};

use crate::engine::{Engine, Kind, Load, Outcome, Put, Reader, Sizing};
use crate::key::Packed;
use crate::ordered::{Ordered, OrderedReader};
use crate::workload::Workload;

pub(crate) const KIND: Kind = Kind {
    name: "lmdb",
    settings: "heed 0.23, LMDB 0.9; one unnamed database, map of 4 x the data, one read transaction per cell",
    put_durability: "fdatasync of data and synchronous write of the meta page, each put",
    load_durability: "one transaction, synced at its end; APPEND where keys come sorted",
    supports: |workload| workload != Workload::Callbacks,
    open: |directory, sizing| Ok(Box::new(Lmdb::open(directory, sizing)?)),
};

struct Lmdb {
    env: Env,
    database: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    fn open(directory: &Path, sizing: Sizing) -> Outcome<Lmdb> {
        let map_bytes =
            usize::try_from(sizing.data_bytes * 4 + (1 << 30))?.next_multiple_of(1 << 20);
        let mut options = EnvOpenOptions::new();
        options.map_size(map_bytes);
        #[expect(unsafe_code, reason = "heed's only way to open; see docs/UNSAFE.md")]
        // SAFETY: the directory is the benchmark's own; nothing else writes to its files.
        let env = unsafe { options.open(directory)? };
        let database = env
            .create_databases_and_commit(env.write_txn()?, |opener, transaction| {
                let database = opener.create_database(transaction, None)?;
                Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(database))
            })?
            .unwrap_commit();
        Ok(Lmdb { env, database })
    }
}

impl Engine for Lmdb {
    fn load(&self, load: Load<'_>) -> Outcome {
        let flags = if load.is_sorted() {
            PutFlags::APPEND
        } else {
            PutFlags::empty()
        };
        let mut transaction = self.env.write_txn()?;
        for (key, text) in load.packed_records() {
            self.database
                .put_with_flags(&mut transaction, flags, &key, text)?;
        }
        Ok(transaction.commit()?)
    }

    fn reader(&self) -> Outcome<Box<dyn Reader + '_>> {
        let transaction = self.env.read_txn()?;
        Ok(Box::new(OrderedReader(View {
            transaction,
            database: self.database,
        })))
    }

    fn put(&self, put: &Put) -> Outcome {
        let mut transaction = self.env.write_txn()?;
        self.database
            .put(&mut transaction, &put.key.packed, &put.text)?;
        Ok(transaction.commit()?)
    }
}

struct View<'e> {
    transaction: RoTxn<'e, WithTls>,
    database: Database<'static, Bytes, Bytes>,
}

impl Ordered for View<'_> {
    fn get(&self, key: &Packed, read: impl FnOnce(&[u8])) -> Outcome {
        if let Some(value) = self.database.get(&self.transaction, key)? {
            read(value);
        }
        Ok(())
    }

    fn walk(
        &self,
        from: &Packed,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Outcome {
        let range = (Bound::Included(&from[..]), Bound::Unbounded);
        for record in self.database.range(&self.transaction, &range)? {
            let (key, value) = record?;
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
