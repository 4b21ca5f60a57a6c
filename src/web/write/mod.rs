//! Forms that are carried out once.

pub(crate) mod once;
