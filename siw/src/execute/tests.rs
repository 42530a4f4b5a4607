//! Tests of the executor over a small store.
