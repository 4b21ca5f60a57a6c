//! Experiments that really evolve.
mod problem;
