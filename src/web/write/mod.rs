//! Writes: from a checked form to an answer that says what became of it.
//!
//! A page implements [`Act`] for each of its forms and hands it to [`carry_out()`]; everything else is here:
//! `submission_store` remembers what was carried out, `submit_once` carries out once, `refusal` has the words. May import
//! `respond`, `request` and `console`; the store imports `auth` only.

mod act;
mod carry_out;
mod refusal;
mod submission_store;
mod submit_once;

pub(crate) use act::Act;
pub(crate) use carry_out::{carry_out, request_id};
pub(crate) use refusal::{FormErrors, Refusal};
pub(crate) use submission_store::{Submission, SubmissionStore};
