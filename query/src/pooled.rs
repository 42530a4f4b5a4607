//! Plans on the core pool.

use crate::plan::{Plan, Step};
use phext_siw::pool::Work;
use phext_storage::Phext;
use std::sync::Arc;
use std::time::Instant;

impl Plan {
    /// What the core pool runs: the stream of this plan over a phext, for a tenant, until a deadline.
    ///
    /// # Panics
    /// When the plan has another step, whose stream depends on what this one finds. Plans of rows in
    /// the order of their coordinates have none.
    pub fn into_work(self, phext: Arc<Phext>, tenant: u64, deadline: Option<Instant>) -> Work {
        assert_eq!(self.step, Step::Answer, "the plan is one stream");
        Work {
            stream: Arc::new(self.compiled.stream),
            phext,
            tenant,
            limit: Some(self.task.limit).filter(|limit| *limit < u64::MAX),
            deadline,
        }
    }
}
