//! What the black-box harnesses of sqd share: a raw HTTP client, server processes, and a model.
//!
//! Nothing here depends on a crate of the product: the harnesses know a server only by what it
//! says on 127.0.0.1. The model (`Coordinate`, `Document`) is written from the description of
//! phext alone, so that an error in the product's own reader cannot hide behind itself.
//!
//! | module | holds |
//! |---|---|
//! | [`http`] | HTTP/1.1 over `TcpStream`, able to send what a well-behaved client would not |
//! | [`process`] | start, await and kill a server; find the sqd binary |
//! | [`coordinate`] | nine numbers, their lenient and strict readings |
//! | [`document`] | a phext as an ordered map, with every text form SQ derives from it |
//! | [`ledger`] | what writers sent and were promised, against what a server recovered |
//! | [`random`] | seeded choices and texts |
//! | [`fixture`] | a running sqd for one integration test |
//! | [`error`] | the one error type |

pub mod coordinate;
pub mod document;
pub mod error;
pub mod fixture;
pub mod http;
pub mod ledger;
pub mod process;
pub mod random;
