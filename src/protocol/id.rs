//! Opaque identifiers (`ch02 §1.1`, `ch02 §1.6`). Nothing may parse the payload of one.

use super::text::checked_text;

/// Why a string is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The id must be `prefix_` and 26 characters of lowercase Crockford base32.
    #[error("must be {prefix}_ followed by 26 characters of 0-9 a-h j k m n p-t v-z")]
    Malformed {
        /// The prefix that was expected, without its underscore.
        prefix: &'static str,
    },
    /// A caller-supplied id must not be empty.
    #[error("must not be empty")]
    Empty,
    /// A path segment of dots leads elsewhere, however it is encoded.
    #[error("must not be . or .., which no URL can name")]
    Dots,
}

const PAYLOAD: usize = 26;

fn is_crockford(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z')
}

fn is_minted(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .is_some_and(|payload| payload.len() == PAYLOAD && payload.bytes().all(is_crockford))
}

macro_rules! minted {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        checked_text! {
            $(#[$doc])*
            $name, IdError,
            |text| if is_minted(text, $prefix) { Ok(()) } else { Err(IdError::Malformed { prefix: $prefix }) }
        }

        impl $name {
            /// An id from 128 fresh bits; only a server that allocates this kind may call it (`ch02 §1.6`).
            pub fn mint(ulid: ulid::Ulid) -> Self {
                Self(format!(concat!($prefix, "_{}"), ulid.to_string().to_lowercase()).into())
            }
        }
    };
}

macro_rules! supplied {
    ($(#[$doc:meta])* $name:ident) => {
        checked_text! {
            $(#[$doc])*
            $name, IdError,
            |text| match text {
                "" => Err(IdError::Empty),
                "." | ".." => Err(IdError::Dots),
                _ => Ok(()),
            }
        }
    };
}

minted! {
    /// An experiment, `exp_…`.
    ExperimentId, "exp"
}
minted! {
    /// A worker of one experiment, or of the deployment, `wkr_…`.
    WorkerId, "wkr"
}
minted! {
    /// A group of one experiment, or of the deployment, `grp_…`.
    GroupId, "grp"
}
supplied! {
    /// A task. The caller chooses it; unique in its experiment.
    TaskId
}
supplied! {
    /// An idea. The caller chooses it; unique in its experiment.
    IdeaId
}
supplied! {
    /// A variant. The caller chooses it; unique in its experiment, and part of branch names (`ch06 §3.1`).
    VariantId
}
checked_text! {
    /// A member of a group or the target of a task: a worker or a group (`ch02 §1.6`).
    MemberId, IdError,
    |text| if is_minted(text, "wkr") || is_minted(text, "grp") { Ok(()) } else { Err(IdError::Malformed { prefix: "wkr or grp" }) }
}

impl From<&WorkerId> for MemberId {
    fn from(id: &WorkerId) -> Self {
        Self(id.0.clone())
    }
}

impl From<&GroupId> for MemberId {
    fn from(id: &GroupId) -> Self {
        Self(id.0.clone())
    }
}

impl MemberId {
    /// The group this names, if it names one.
    pub fn as_group(&self) -> Option<GroupId> {
        self.0.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_id_reads_back() {
        let id = ExperimentId::mint(ulid::Ulid::generate());
        assert_eq!(id.as_str().parse::<ExperimentId>(), Ok(id));
    }

    #[test]
    fn other_alphabets_lengths_and_prefixes_are_refused() {
        for text in [
            "",
            "exp_",
            "wkr_00000000000000000000000000",
            "exp_0000000000000000000000000",
            "exp_000000000000000000000000000",
            "exp_0000000000000000000000000I",
            "exp_0000000000000000000000000u",
            "EXP_00000000000000000000000000",
            "exp_../../../../../../../../..",
        ] {
            assert!(text.parse::<ExperimentId>().is_err(), "{text}");
        }
    }
}
