//! Switchboard: a live operator console for EDEN, the directed-evolution protocol.
//!
//! The map, from the bottom up; a module imports only what stands above it in this list (a test holds it so):
//!
//! - [`protocol`]: the EDEN wire: types and validation, no IO.
//! - [`clock`]: the only reader of wall time.
//! - [`lifecycle`]: every task of the process, and how it stops.
//! - [`client`]: the only code that speaks HTTP to a task store or a control plane.
//! - [`embedded`]: a task store and control plane of our own; it knows nothing of the client.
//! - [`demo`]: experiments that really evolve, driven by an ordinary client.

pub mod client;
pub mod clock;
pub mod demo;
pub mod embedded;
pub mod lifecycle;
pub mod protocol;
