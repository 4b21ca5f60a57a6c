//! Behaviour over a real socket, through the public library only.
#![cfg(test)]

mod access;
#[path = "../support/adversary/mod.rs"]
mod adversary;
mod architecture;
mod artifacts;
mod backend;
mod browser;
mod checkpoints;
mod codings;
mod commits;
mod console;
mod control;
mod counting;
mod demo;
mod durability;
mod feed;
mod freshness;
mod gap;
mod gateway;
mod hostile;
mod hostile_wire;
mod journeys;
mod kills;
#[path = "../support/life.rs"]
mod life;
mod lists;
mod long_poll;
mod mirrors;
mod orchestrating;
mod outage;
mod pages;
mod parity;
mod process;
mod program;
#[expect(dead_code, reason = "the browser's journeys use the rest")]
#[path = "../support/proxy.rs"]
mod proxy;
mod push;
mod race;
mod reference;
mod registry_pages;
mod roles;
mod routed;
mod routes;
mod server;
mod sessions;
mod streams;
mod support;
mod switch;
mod thousand;
mod viewers;
mod worlds;
