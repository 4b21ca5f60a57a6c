//! Who may use a route, and which paths count as administrators' pages in any spelling.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Who may use a route. Each row of the route table names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Audience {
    /// Everybody, signed in or not.
    Open,
    /// A monitoring system with the metrics token, and every operator who is signed in.
    Monitor,
    /// Every operator who is signed in.
    SignedIn,
    /// Members of the group `admins`. In an outage, operators who were members shortly before it may read.
    Administrator,
}

impl Audience {
    /// One or two words for lists of routes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Monitor => "monitor",
            Self::SignedIn => "signed in",
            Self::Administrator => "administrator",
        }
    }

    /// The audience of a path that is not in the route table. Such paths lead nowhere, but those that any server might
    /// read as an administrator's page are refused to others all the same.
    pub fn of_unknown_path(path: &str) -> Self {
        match is_admin_path(path) {
            true => Self::Administrator,
            false => Self::SignedIn,
        }
    }
}

/// Whether a path is `/admin`, `/x/{E}/admin` or below, in any spelling that a server might accept: percent-encoded
/// once or several times, with dots, backslashes, doubled slashes, capitals or path parameters.
pub(crate) fn is_admin_path(path: &str) -> bool {
    if names_admin(path) {
        return true;
    }
    // Each round removes one layer of encoding, so this ends.
    let mut text = path.as_bytes().to_vec();
    while let Some(decoded) = decode(&text) {
        text = decoded;
        if names_admin(&String::from_utf8_lossy(&text)) {
            return true;
        }
    }
    false
}

/// The text with one layer of percent-encoding removed; none when there is none to remove.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    match percent_decode(text).into() {
        Cow::Owned(decoded) => Some(decoded),
        Cow::Borrowed(_) => None,
    }
}

fn names_admin(path: &str) -> bool {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        match segment.trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment.split(';').next().unwrap_or_default()),
        }
    }
    let is = |index: usize, word: &str| {
        segments
            .get(index)
            .is_some_and(|segment| segment.eq_ignore_ascii_case(word))
    };
    // `/x/by-name/{name}`: not an experiment id, and the segment below is a display name.
    let by_name = segments.get(1) == Some(&"by-name");
    is(0, "admin") || (is(0, "x") && is(2, "admin") && !by_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_below_admin_is_recognised_in_any_spelling() {
        for path in [
            "/admin",
            "/admin/",
            "/admin/tasks/",
            "/admin/nowhere",
            "//admin",
            "/./admin/",
            "/healthz/../admin/",
            "/ADMIN/experiments/",
            "/%61dmin/experiments/",
            "/%2561dmin/",
            "/%252561dmin/",
            "/adm%69n%2Fexperiments/",
            "/admin;a=b/tasks/",
            "\\admin\\tasks",
            "/x/E/admin",
            "/x/E/admin/tasks/",
            "/x/nonsense/admin/",
            "/X/E/Admin/seed",
            "/x//E//admin/",
            "/x/E%2Fadmin/tasks",
            "/x/E/%61%64%6d%69%6e/",
            "/x/E/live/../admin/",
        ] {
            assert!(is_admin_path(path), "{path}");
        }
        for path in [
            "/",
            "/x/E/",
            "/x/E/live",
            "/live",
            "/signout",
            "/x/admin/",
            "/administration",
            "/x/E/administer/",
            "/x/E/ideator/admin/",
            "/100%",
            "/%zz%",
        ] {
            assert!(!is_admin_path(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_checked(path in ".*") {
            let _ = is_admin_path(&path);
        }

        /// Any part encoded, any number of times.
        #[test]
        fn encoding_does_not_hide_an_admin_path(which in prop::collection::vec(0..4_u8, 19)) {
            let encode = |byte: u8, times: u8| (0..times).fold(char::from(byte).to_string(), |text, round| match round {
                0 => format!("%{byte:02x}"),
                _ => text.replace('%', "%25"),
            });
            let path: String = b"/x/E/admin/tasks/t/".iter().zip(&which).map(|(byte, times)| encode(*byte, *times)).collect();
            prop_assert!(is_admin_path(&path), "{}", path);
        }
    }
}
