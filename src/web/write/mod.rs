//! Writes: from a checked form to an answer that says what became of it.
//!
//! A page implements [`act::Act`] for each of its forms and hands it to [`carry_out::carry_out`]; everything else is here:
//! `submission_store` remembers what was carried out, `submit_once` carries out once, `refusal` has the words. May import
//! `respond`, `request` and `console`; the store imports `auth` only.

pub(crate) mod act;
pub(crate) mod carry_out;
pub(crate) mod refusal;
pub(crate) mod submission_store;
pub(crate) mod submit_once;
