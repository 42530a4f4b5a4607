//! Tests of the routes without a socket.
