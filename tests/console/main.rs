//! Behaviour over a real socket, through the public library only.

mod backend;
mod durability;
mod push;
mod support;
