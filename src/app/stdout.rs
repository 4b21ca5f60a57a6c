//! The lines on stdout that harnesses and operators wait for.

use std::io::{self, Write};
use std::net::SocketAddr;

/// Prints where something listens, in the form that harnesses scan for.
pub(super) fn announce(what: &str, address: SocketAddr) {
    say(&format!("{what} host={} port={}", address.ip(), address.port()));
}

/// Prints a line. A closed stdout does not end the process.
pub(super) fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
