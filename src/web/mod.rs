//! The console's web side: paths, assets, components.

mod assets;
pub(crate) mod ui;
mod urls;
