//! The groups with reserved names, and the authority that they give.

/// The reserved group names (`ch02 §7.5`).
pub(crate) const RESERVED_GROUPS: [&str; 2] = ["admins", "orchestrators"];

/// What members of a group of this name may do; none for names that are not reserved (`ch02 §7.5`, `ch11 §6`).
pub(crate) fn authority(group: &str) -> Option<&'static str> {
    match group {
        "admins" => Some("Its workers administer the deployment: these pages are theirs."),
        "orchestrators" => Some("Its workers may take the lease of an experiment, and so drive it."),
        _ => None,
    }
}

/// What is lost when the group of this name is deleted; none for names that are not reserved.
pub(crate) fn loss(group: &str) -> Option<&'static str> {
    match group {
        "admins" => Some(
            "From then on nobody administers the deployment but with the admin token, until a group named admins is created again.",
        ),
        "orchestrators" => Some(
            "From then on no orchestrator can take a lease: each experiment stops being driven when its present lease ends, until a group named orchestrators is created again.",
        ),
        _ => None,
    }
}
