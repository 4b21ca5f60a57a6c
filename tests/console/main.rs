//! Behaviour over a real socket, through the public library only.
#![cfg(test)]

#[path = "../support/adversary/mod.rs"]
mod adversary;
mod architecture;
mod artifacts;
mod backend;
mod checkpoints;
mod console;
mod control;
mod demo;
mod durability;
mod feed;
mod hostile;
mod hostile_wire;
mod journeys;
mod kills;
mod lists;
mod orchestrating;
mod pages;
mod process;
mod program;
#[expect(dead_code, reason = "the browser's journeys use the rest")]
#[path = "../support/proxy.rs"]
mod proxy;
mod push;
mod race;
mod reference;
mod registry_pages;
mod support;
mod worlds;
