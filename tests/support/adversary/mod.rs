//! Hostile requests made from bytes, a backend to throw them at, and what must hold of every answer. The same bytes
//! make the same requests for the fuzzer and for the ordinary test.

pub mod archive;
pub mod body;
mod judge;
pub mod request;
pub mod world;
