//! Steps that a build can leave out, so that tests show that they would notice.
//!
//! Only a build with `--cfg sqd_canary` can: there the environment variable `SQD_CANARY` names the
//! step to leave out. In every other build [`leaves_out`] is `false` before it is compiled. `.ci/run`
//! leaves each out in turn and demands that a test fails.
//!
//! | step | what is left out | who must notice |
//! |---|---|---|
//! | `log_sync` | the sync of the log | sampled crash states, power cuts, the order of system calls |
//! | `segment_sync` | the sync of a segment's bytes | sampled crash states |
//! | `directory_sync` | the sync of the directory of segments | sampled crash states |
//! | `spare_sync` | the sync of the log's directory before a log file is used again | sampled crash states |
//! | `catalog_sync` | the fsync of the catalog's files | power cuts |
//! | `handover` | handing the lead to a thread that waits | interleavings |
//! | `publication_lock` | the writer's lock around the publication of a sealed segment | interleavings |

/// Whether this build, as it was started, leaves out the step of this name.
#[inline]
pub(crate) fn leaves_out(step: &str) -> bool {
    cfg!(sqd_canary) && std::env::var_os("SQD_CANARY").is_some_and(|chosen| chosen == *step)
}
