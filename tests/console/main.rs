//! Behaviour over a real socket, through the public library only.
#![cfg(test)]

mod backend;
mod demo;
mod durability;
mod push;
mod support;
