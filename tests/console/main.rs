//! Behaviour over a real socket, through the public library only.

#[cfg(test)]
mod backend;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod push;
#[cfg(test)]
mod support;
