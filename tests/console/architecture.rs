//! Imports run one way. What is not drawn here is forbidden.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which top-level modules each may import, beside itself.
const MAY_IMPORT: [(&str, &[&str]); 18] = [
    ("protocol", &[]),
    ("clock", &["protocol"]),
    ("lifecycle", &[]),
    ("singleflight", &["lifecycle"]),
    ("private_file", &[]),
    ("listener", &[]),
    ("client", &["protocol"]),
    (
        "access",
        &[
            "protocol",
            "clock",
            "lifecycle",
            "singleflight",
            "client",
            "private_file",
        ],
    ),
    (
        "live",
        &[
            "protocol",
            "clock",
            "lifecycle",
            "private_file",
            "client",
            "access",
            "experiment_configs",
        ],
    ),
    (
        "web",
        &[
            "protocol",
            "clock",
            "private_file",
            "lifecycle",
            "singleflight",
            "listener",
            "client",
            "access",
            "experiment_configs",
            "live",
            "repos",
        ],
    ),
    ("experiment_configs", &["protocol", "clock"]),
    (
        "repos",
        &["protocol", "clock", "lifecycle", "singleflight", "private_file"],
    ),
    (
        "embedded",
        &["protocol", "clock", "lifecycle", "listener", "private_file"],
    ),
    ("demo", &["protocol", "clock", "lifecycle", "client", "private_file"]),
    ("cli", &["protocol", "access"]),
    ("secrets", &["private_file"]),
    (
        "app",
        &[
            "protocol",
            "clock",
            "lifecycle",
            "private_file",
            "client",
            "access",
            "experiment_configs",
            "live",
            "repos",
            "web",
            "embedded",
            "demo",
            "cli",
            "secrets",
        ],
    ),
    ("lib", &[]),
];

/// Which modules of `web` each kind of file there may import, beside itself and the layers below.
const WEB_MAY_IMPORT: [(&str, &[&str]); 2] = [("ui", &["urls", "assets"]), ("urls", &[])];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// `web/pages/tasks.rs` is `["web", "pages", "tasks"]`.
    fn module(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| last == "mod") {
            parts.pop();
        }
        parts
    }

    /// The code, without comments and inline tests.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.fold(String::new(), |code, line| code + line + "\n")
    }

    /// Every path of this crate that is named, in `use` lines and in expressions, from the crate's root on: `crate::`
    /// and any chain of `super::` are followed, and groups in braces are taken apart.
    fn imports(&self) -> BTreeSet<Vec<String>> {
        let code = self.code();
        let mut imports = BTreeSet::new();
        let mut rest = code.as_str();
        while let Some(at) = ["crate::", "super::"].iter().filter_map(|root| rest.find(root)).min() {
            let (before, path) = rest.split_at(at);
            rest = path;
            let mut base = if let Some(below) = rest.strip_prefix("crate::") {
                rest = below;
                Vec::new()
            } else {
                self.module()
            };
            while let Some(below) = rest.strip_prefix("super::") {
                assert!(base.pop().is_some(), "{} leads above the crate", self.path.display());
                rest = below;
            }
            if !before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                follow(&base, rest, &mut imports);
            }
        }
        imports
    }
}

/// Adds the paths that `text` begins with, which stand below `base`, and returns how much of it they take.
fn follow(base: &[String], text: &str, into: &mut BTreeSet<Vec<String>>) -> usize {
    let mut path = base.to_vec();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with('{') {
            at += 1;
            loop {
                at += text[at..].len() - text[at..].trim_start_matches([' ', '\n', ',']).len();
                let taken = follow(&path, &text[at..], into);
                at += taken;
                if text[at..].starts_with('}') {
                    return at + 1;
                }
                // An alias: `name as other`.
                let next = text[at..].find([',', '}']).expect("a group that ends");
                at += next;
            }
        }
        let name = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*'))
            .unwrap_or(rest.len());
        if name > 0 {
            path.push(rest[..name].to_owned());
            at += name;
        }
        match text[at..].strip_prefix("::") {
            Some(below)
                if name > 0 && below.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '*' || c == '{') =>
            {
                at += 2;
            }
            _ => {
                if path.len() > base.len() {
                    into.insert(path);
                }
                return at;
            }
        }
    }
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, root: &Path, into: &mut Vec<Source>) {
        for entry in fs::read_dir(dir).expect("a readable source tree") {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                walk(&path, root, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a readable source file");
                let path = path.strip_prefix(root).expect("a path below src").to_owned();
                into.push(Source { path, text });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    walk(&root, &root, &mut sources);
    assert!(sources.len() > 40, "the source tree was not found whole");
    sources
}

#[test]
fn paths_are_followed_however_they_are_written() {
    let source = Source {
        path: PathBuf::from("web/ui/bar.rs"),
        text:
            "use super::super::{context::{Context, self as c}, urls};\n// use crate::live;\nuse crate::protocol::*;\n\
               fn f() -> super::mark::Mark { super::super::frame::Frame::of(crate::clock::now::<u8>()) }\n\
               pub(super) fn g() {}\n#[cfg(test)]\nmod tests { use crate::client; }\n"
                .to_owned(),
    };
    let found: Vec<_> = source.imports().iter().map(|path| path.join("::")).collect();
    let expected = [
        "clock::now",
        "protocol::*",
        "web::context::Context",
        "web::context::self",
        "web::frame::Frame::of",
        "web::ui::mark::Mark",
        "web::urls",
    ];
    assert_eq!(found, expected);
}

#[test]
fn top_level_modules_import_downwards_only() {
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module();
        let (Some(layer), false) = (module.first(), module == ["main"] || module == ["lib"]) else {
            continue;
        };
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| name == layer) else {
            faults.push(format!("{} is in no layer: draw it here", source.path.display()));
            continue;
        };
        for import in source.imports() {
            let target = import.first().map(String::as_str).unwrap_or_default();
            if target != layer && !allowed.contains(&target) {
                faults.push(format!("{} imports {target}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pages_never_import_each_other() {
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module();
        let [web, pages, page, ..] = module.as_slice() else {
            continue;
        };
        if (web.as_str(), pages.as_str()) != ("web", "pages") {
            continue;
        }
        for import in source.imports() {
            if let [a, b, other, ..] = import.as_slice()
                && (a.as_str(), b.as_str()) == ("web", "pages")
                && other != page
            {
                faults.push(format!("{page} imports {other}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn components_see_data_and_paths_only() {
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module();
        let [web, part, ..] = module.as_slice() else { continue };
        let Some((_, allowed)) = WEB_MAY_IMPORT.iter().find(|(name, _)| web == "web" && name == part) else {
            continue;
        };
        for import in source.imports() {
            let fine = match import.as_slice() {
                [layer, ..] if layer == "protocol" => true,
                [layer, inner, ..] if layer == "web" => inner == part || allowed.contains(&inner.as_str()),
                _ => false,
            };
            if !fine {
                faults.push(format!("{} imports {}", source.path.display(), import.join("::")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_task_belongs_to_the_lifecycle_and_time_to_the_clock() {
    let mut faults = Vec::new();
    for source in sources() {
        let name = source.path.display().to_string();
        let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        for (call, home) in [
            ("tokio::spawn(", "lifecycle.rs"),
            ("Timestamp::now()", "clock.rs"),
            ("SystemTime::now()", ""),
        ] {
            if code.contains(call) && name != home {
                faults.push(format!("{name} calls {call}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
