//! Who acts: the admin sentinel or a worker (`ch02 §1.6`, `ch07 §13`).

use std::fmt;
use std::str::FromStr;

use super::WorkerId;
use super::text::serde_as_text;

/// An actor in attribution fields such as `created_by`: `admin` or a worker id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// The deployment's administrator token.
    Admin,
    /// A registered worker.
    Worker(WorkerId),
}

/// The principal of a bearer credential `<principal>:<secret>` (`ch07 §13.1`); the same two kinds.
pub type Principal = Actor;

impl Actor {
    /// The worker, unless this is the admin.
    pub fn worker(&self) -> Option<&WorkerId> {
        match self {
            Self::Admin => None,
            Self::Worker(id) => Some(id),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Worker(id) => id.fmt(f),
        }
    }
}

impl FromStr for Actor {
    type Err = super::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "admin" {
            Ok(Self::Admin)
        } else {
            text.parse().map(Self::Worker)
        }
    }
}

serde_as_text!(Actor);
