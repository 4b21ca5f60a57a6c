//! Behaviour over a real socket, through the public library only.
#![cfg(test)]

mod architecture;
mod backend;
mod console;
mod control;
mod demo;
mod durability;
mod feed;
mod journeys;
mod pages;
mod process;
#[expect(dead_code, reason = "the browser's journeys use the rest")]
#[path = "../support/proxy.rs"]
mod proxy;
mod push;
mod support;
mod worlds;
