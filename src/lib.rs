//! Switchboard: a live operator console for EDEN, the directed-evolution protocol.
//!
//! The modules, from the bottom up. A module imports only modules above it in this list; a test checks that.
//!
//! - [`protocol`]: the EDEN wire: types and validation, no IO.
//! - [`clock`]: the only reader of wall time.
//! - [`private_file`]: files that only their owner may read.
//! - [`lifecycle`]: every task of the process, and how it stops.
//! - [`singleflight`]: one run for all callers that want the same result at the same time.
//! - [`listener`]: serving HTTP on a socket.
//! - [`compression`]: content codings, and what compressing may cost.
//! - [`client`]: the only code that speaks HTTP to a task store or a control plane.
//! - [`access`]: which server hosts what, and the console's credential for it.
//! - [`experiment_configs`]: the configuration of each experiment, from files.
//! - [`live`]: list, then watch: the state of the experiments, and how it is kept up to date.
//! - [`repos`]: the git repositories of the experiments, cloned when needed and kept within a byte budget.
//! - [`web`]: the console: pages, components, assets.
//! - [`embedded`]: a task store and control plane of our own. It does not import the client.
//! - [`demo`]: demo experiments, driven by an ordinary client.
//! - [`cli`]: the command line: from what was typed to what is used.
//! - [`secrets`]: secrets of the console that are stored in its data directory.
//! - [`app`]: the composition root, the only module that names all of them.

pub mod access;
pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod compression;
pub mod demo;
pub mod embedded;
pub mod experiment_configs;
pub mod lifecycle;
pub mod listener;
pub mod live;
pub mod private_file;
pub mod protocol;
pub mod repos;
pub mod secrets;
pub mod singleflight;
pub mod web;
