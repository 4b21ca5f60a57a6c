//! Links within an experiment, relative to the document that shows them. Pages write whole paths; each would repeat the
//! experiment's, so they are cut here, in one place.

/// Makes the links of `markup` to pages of the experiment that `document` belongs to relative to `document`, a path
/// without a query. A browser resolves each to the same address as before (RFC 3986 §5). Other links stay as they are.
///
/// Values are escaped, so `href="` is found in attributes only.
pub(crate) fn relative_links(markup: String, document: &str) -> String {
    const HREF: &str = "href=\"";
    let Some(experiment) = experiment_prefix(document) else {
        return markup;
    };
    // The prefix ends with a slash, so there is a last one, at its end or after it.
    let end = document.rfind('/').map_or(experiment.len(), |slash| slash + 1);
    let from = &document[experiment.len()..end];
    let mut cut = String::with_capacity(markup.len());
    let mut rest = markup.as_str();
    while let Some(at) = rest.find(HREF) {
        let (before, after) = rest.split_at(at + HREF.len());
        cut.push_str(before);
        rest = match after.strip_prefix(experiment) {
            Some(path) => {
                let (path, after) = path.split_at(path.find('"').unwrap_or(path.len()));
                push_relative(&mut cut, from, path, document.ends_with('/'));
                after
            }
            None => after,
        };
    }
    cut.push_str(rest);
    cut
}

/// `/x/{E}/`, the beginning of every path of an experiment.
fn experiment_prefix(document: &str) -> Option<&str> {
    let below = document.strip_prefix("/x/")?;
    Some(&document[..=below.find('/')? + "/x/".len()])
}

/// Writes the reference from the directory `from` to `path`, both below the experiment.
fn push_relative(cut: &mut String, from: &str, path: &str, is_directory: bool) {
    let directory = path.split(['?', '#']).next().unwrap_or_default();
    let shared = from
        .match_indices('/')
        .map(|(at, _)| at + 1)
        .take_while(|end| directory.starts_with(&from[..*end]))
        .last()
        .unwrap_or(0);
    let up = from[shared..].matches('/').count();
    let down = &path[shared..];
    for _ in 0..up {
        cut.push_str("../");
    }
    // Empty or only a query, it would mean the document itself; with a colon, a scheme; with a slash, another root.
    let means_another = match down.as_bytes().first() {
        None | Some(b'#' | b'/') => true,
        Some(b'?') => !is_directory,
        Some(_) => down
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|segment| segment.contains(':')),
    };
    if up == 0 && means_another {
        cut.push_str("./");
    }
    cut.push_str(down);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(href: &str, document: &str) -> String {
        let markup = relative_links(format!("<a class=\"id\" href=\"{href}\">x</a> <b>href=</b>"), document);
        let (_, rest) = markup.split_once("href=\"").expect("a link");
        rest.split('"').next().expect("its end").to_owned()
    }

    #[test]
    fn a_link_within_the_experiment_is_relative_to_the_document() {
        let tasks = "/x/exp_1/admin/tasks/";
        for (href, document, expected) in [
            ("/x/exp_1/admin/tasks/a-1/", tasks, "a-1/"),
            ("/x/exp_1/admin/tasks/?kind=a&amp;b", tasks, "?kind=a&amp;b"),
            ("/x/exp_1/admin/tasks/", tasks, "./"),
            ("/x/exp_1/admin/ideas/i/", tasks, "../ideas/i/"),
            ("/x/exp_1/", tasks, "../../"),
            ("/x/exp_1/?a", tasks, "../../?a"),
            ("/x/exp_1/admin/tasks/a:b/", tasks, "./a:b/"),
            ("/x/exp_1/admin/tasks/", "/x/exp_1/", "admin/tasks/"),
            ("/x/exp_1/?a=1", "/x/exp_1/admin/seed", "../?a=1"),
            ("/x/exp_1/admin/?a=1", "/x/exp_1/admin/seed", "./?a=1"),
            ("/x/exp_2/admin/tasks/", tasks, "/x/exp_2/admin/tasks/"),
            ("/x/exp_12/", "/x/exp_1/", "/x/exp_12/"),
            ("/admin/experiments/", tasks, "/admin/experiments/"),
            ("/x/exp_1/", "/admin/experiments/", "/x/exp_1/"),
            ("/x/exp_1/", "/x/exp_1", "/x/exp_1/"),
            ("https://example.org/x/exp_1/", tasks, "https://example.org/x/exp_1/"),
        ] {
            assert_eq!(cut(href, document), expected, "{href} on {document}");
        }
    }

    proptest! {
        /// Against the resolution of another implementation.
        #[test]
        fn a_browser_resolves_it_to_the_same_address(
            document in "/x/(a|b)/([a-c]{1,2}/){0,3}[a-c]{0,2}",
            path in "/x/(a|b)/([a-c:%0-9]{1,3}/){0,3}[a-c:]{0,2}(\\?[a-c=&/:]{0,6})?(#[a-c]{0,2})?",
        ) {
            let base = reqwest::Url::parse(&format!("http://console{document}?q=/x#f")).expect("a base");
            let whole = base.join(&path).expect("an address");
            prop_assert_eq!(base.join(&cut(&path, &document)).expect("an address"), whole);
        }
    }
}
