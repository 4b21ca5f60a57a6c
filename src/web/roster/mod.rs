//! Workers and groups as pages show and change them, of the deployment or of an experiment: the pages differ in
//! [`Desk`] only, which says whose registry it is and acts on it.

mod desk;
mod flights;
mod group_forms;
mod group_page;
mod groups_page;
mod input;
mod parts;
mod place;
mod roster;
mod token;
mod trouble;
mod worker_page;
mod workers_page;

pub(crate) use desk::{Desk, Registries};
pub(crate) use group_forms::{AddForm, DeleteForm};
pub(crate) use group_page::GroupPage;
pub(crate) use groups_page::{CreateForm, GroupsPage};
pub(crate) use roster::Member;
pub(crate) use token::{Secret, already_shown, token_page};
pub(crate) use trouble::Refusal;
pub(crate) use worker_page::{ReissueForm, WorkerPage};
pub(crate) use workers_page::{RegisterForm, WorkersPage};
