//! Who acts: the admin sentinel or a worker (`ch02 §1.6`, `ch07 §13`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::WorkerId;

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

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
