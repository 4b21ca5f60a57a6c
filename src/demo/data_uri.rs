//! Artifacts that are short enough to be part of their URI.

use crate::protocol::percent_encode;

/// Text as a URI that contains it.
pub(super) fn data_uri(text: &str) -> String {
    format!("data:text/plain;charset=utf-8,{}", percent_encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_uri_holds_only_what_a_uri_may() {
        assert_eq!(data_uri("a b\né%"), "data:text/plain;charset=utf-8,a%20b%0A%C3%A9%25");
    }
}
