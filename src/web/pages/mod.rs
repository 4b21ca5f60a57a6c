//! One page, one file: parameters, handlers and regions. Pages never import each other.

pub(crate) mod by_name;
pub(crate) mod events;
pub(crate) mod experiments;
pub(crate) mod fault;
pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod home;
pub(crate) mod idea;
pub(crate) mod ideas;
pub(crate) mod metrics;
pub(crate) mod overview;
pub(crate) mod seed;
pub(crate) mod select;
pub(crate) mod sign_in;
pub(crate) mod switch;
pub(crate) mod task;
pub(crate) mod tasks;
pub(crate) mod unregister;
pub(crate) mod variant;
pub(crate) mod variants;
pub(crate) mod worker;
pub(crate) mod workers;
