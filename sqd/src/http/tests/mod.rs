//! The transport as a client sees it, over sockets.

mod harness;
mod lifecycle;
mod messages;
mod refusals;
