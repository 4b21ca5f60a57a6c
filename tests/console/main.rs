//! Behaviour over a real socket, through the public library only.
#![cfg(test)]

mod architecture;
mod backend;
mod console;
mod demo;
mod durability;
mod journeys;
mod pages;
mod push;
mod support;
mod worlds;
