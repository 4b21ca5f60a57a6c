//! Imports run one way. What is not drawn here is forbidden.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which top-level modules each may import, beside itself.
const MAY_IMPORT: [(&str, &[&str]); 19] = [
    ("compression", &[]),
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
            "compression",
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
        &[
            "protocol",
            "clock",
            "lifecycle",
            "listener",
            "compression",
            "private_file",
        ],
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

/// The rooms of `web` from the ground up, by the beginning of their files' names. A file belongs to the longest that fits,
/// and imports only what stands in its own line or above it.
const WEB_ROOMS: [&[&str]; 16] = [
    &["urls", "assets", "auth::audience"],
    &["sections"],
    &["ui"],
    &["request::htmx", "request::query", "stream::position"],
    &["auth"],
    &["upstream"],
    &["fault"],
    &[
        "request::target",
        "respond::page_cache",
        "write::submission_store",
        "roster::cache",
        "roster::graph",
    ],
    &["console"],
    &["auth::gate", "request"],
    &["respond"],
    &["write", "parts", "stream"],
    &["roster"],
    &["pages"],
    &["routes"],
    &[""],
];

/// What components of `web::ui` may see, beside each other: plain data and paths.
const UI_MAY_IMPORT: [&str; 6] = [
    "protocol",
    "live::revision",
    "web::urls",
    "web::assets",
    "web::sections",
    "web::auth::audience",
];

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

    /// The code, without comments and tests.
    fn code(&self) -> String {
        let code = self.text.replace("#[cfg(test)]\nmod tests;\n", "");
        let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.fold(String::new(), |code, line| code + line + "\n")
    }

    /// The files that this one declares as its children.
    fn children(&self) -> Vec<String> {
        let code = self.code();
        let declared = code
            .lines()
            .filter_map(|line| line.trim().strip_suffix(';')?.split_once("mod "));
        declared
            .filter(|(visibility, name)| {
                (visibility.is_empty() || visibility.starts_with("pub")) && !name.contains(char::is_whitespace)
            })
            .map(|(_, name)| name.to_owned())
            .collect()
    }

    /// The paths of this crate whose names this file hands on with `pub use`.
    fn reexports(&self) -> BTreeSet<Vec<String>> {
        let code = self.code();
        let mut found = BTreeSet::new();
        for item in code.split(';') {
            let item = item.trim_start();
            let Some((visibility, mut path)) = item.split_once("use ") else {
                continue;
            };
            if !visibility.starts_with("pub") || visibility.contains(['{', '=', '\n']) {
                continue;
            }
            let mut base = self.module();
            if let Some(below) = path.strip_prefix("crate::") {
                (base, path) = (Vec::new(), below);
            }
            while let Some(below) = path.strip_prefix("super::") {
                base.pop();
                path = below;
            }
            follow(&base, path, &mut found);
        }
        found
    }

    /// Whether the name that a path ends with stands in the code outside `pub use`.
    fn uses_handed_on(&self, path: &[String]) -> bool {
        let Some(name) = path.last() else { return false };
        let code = self.code();
        let is_hand_on = |item: &&str| {
            let visibility = item.trim_start().split("use ").next().unwrap_or_default();
            item.contains("use ") && visibility.starts_with("pub") && !visibility.contains(['{', '=', '\n'])
        };
        let mut items = code.split(';').filter(|item| !is_hand_on(item));
        let is_word = |text: &str, at: usize| {
            let of_word = |c: char| c.is_alphanumeric() || c == '_';
            !text[..at].ends_with(of_word) && !text[at + name.len()..].starts_with(of_word)
        };
        items.any(|item| item.match_indices(name.as_str()).any(|(at, _)| is_word(item, at)))
    }

    /// What is named through an imported module: after `use crate::web::request;`, `request::htmx::see_other`.
    fn through_modules(&self, files: &BTreeMap<String, &Source>) -> BTreeSet<Vec<String>> {
        let code = self.code();
        let mut found = BTreeSet::new();
        for path in self.imports() {
            let Some(name) = path.last().filter(|_| files.contains_key(&path.join("::"))) else {
                continue;
            };
            for (at, _) in code.match_indices(&format!("{name}::")) {
                if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                    follow(&path[..path.len() - 1], &code[at..], &mut found);
                }
            }
        }
        found
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
        // A child is named without `crate` or `super` in front, or with `self`.
        for child in self.children() {
            let start = format!("{child}::");
            for (at, _) in code.match_indices(&start) {
                let before = code[..at].strip_suffix("self::").unwrap_or(&code[..at]);
                if !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                    follow(&self.module(), &code[at..], &mut imports);
                }
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
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
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

/// Which file imports which, over all of `src`. A name that a file hands on (`pub use`) is an import of the file that
/// defines it, so a folder's `mod.rs` may hand on its children's names and they may still use each other.
struct FileGraph {
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl FileGraph {
    fn of(sources: &[Source]) -> Self {
        let files: BTreeMap<String, &Source> = sources.iter().map(|s| (s.module().join("::"), s)).collect();
        // The names that each module hands on, and where they come from.
        let mut handed_on: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (module, source) in &files {
            for path in source.reexports() {
                if let Some(name) = path.last() {
                    let name = if module.is_empty() {
                        name.clone()
                    } else {
                        format!("{module}::{name}")
                    };
                    handed_on.insert(name, path.clone());
                }
            }
        }
        let mut imports = BTreeMap::new();
        for (module, source) in &files {
            let reexports = source.reexports();
            let targets = source
                .imports()
                .into_iter()
                // A name that is only handed on is no import, but one that the file uses itself is.
                .filter(|path| !reexports.contains(path) || source.uses_handed_on(path))
                .chain(source.through_modules(&files))
                .filter_map(|path| defining_file(&files, &handed_on, path))
                .filter(|target| target != module)
                .collect();
            imports.insert(module.clone(), targets);
        }
        Self { imports }
    }

    /// Every set of files each of which leads to all the others: Tarjan's strongly connected components of more than one.
    fn cycles(&self) -> Vec<Vec<&str>> {
        struct Walk<'a> {
            graph: &'a FileGraph,
            index: BTreeMap<&'a str, usize>,
            low: BTreeMap<&'a str, usize>,
            stack: Vec<&'a str>,
            found: Vec<Vec<&'a str>>,
        }
        impl<'a> Walk<'a> {
            fn visit(&mut self, file: &'a str) {
                let index = self.index.len();
                self.index.insert(file, index);
                self.low.insert(file, index);
                self.stack.push(file);
                for target in &self.graph.imports[file] {
                    if !self.index.contains_key(target.as_str()) {
                        self.visit(target);
                        self.low.insert(file, self.low[file].min(self.low[target.as_str()]));
                    } else if self.stack.contains(&target.as_str()) {
                        self.low.insert(file, self.low[file].min(self.index[target.as_str()]));
                    }
                }
                if self.low[file] == index {
                    let at = self
                        .stack
                        .iter()
                        .position(|other| *other == file)
                        .expect("on the stack");
                    let component = self.stack.split_off(at);
                    if component.len() > 1 {
                        self.found.push(component);
                    }
                }
            }
        }
        let mut walk = Walk {
            graph: self,
            index: BTreeMap::new(),
            low: BTreeMap::new(),
            stack: Vec::new(),
            found: Vec::new(),
        };
        for file in self.imports.keys() {
            if !walk.index.contains_key(file.as_str()) {
                walk.visit(file);
            }
        }
        walk.found
    }
}

/// The file in which what a path names is defined: hand-ons are followed, then the longest beginning that is a file
/// counts. None for what is not of this crate.
fn defining_file(
    files: &BTreeMap<String, &Source>,
    handed_on: &BTreeMap<String, Vec<String>>,
    mut path: Vec<String>,
) -> Option<String> {
    // A chain of hand-ons is never longer than there are files.
    for _ in 0..files.len() {
        let next = (1..=path.len()).find_map(|end| {
            let to = handed_on.get(&path[..end].join("::"))?;
            // `self` in braces, and a module under its own name, lead back to where they are.
            let whole: Vec<_> = to.iter().chain(&path[end..]).cloned().collect();
            (whole != path).then_some(whole)
        });
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    (0..=path.len())
        .rev()
        .map(|end| path[..end].join("::"))
        .find(|module| files.contains_key(module))
}

#[test]
fn names_are_imported_one_by_one() {
    let glob = |source: &Source| {
        let mut globs = source
            .imports()
            .into_iter()
            .filter(|path| path.last().is_some_and(|name| name == "*"));
        // The wire's types are many, and nothing in `protocol` imports from above it.
        globs.find(|path| path.first().is_some_and(|layer| layer != "protocol"))
    };
    let sources = sources();
    let faults: Vec<_> = sources
        .iter()
        .filter_map(|source| {
            Some(format!(
                "{} imports {}",
                source.path.display(),
                glob(source)?.join("::")
            ))
        })
        .collect();
    assert!(
        faults.is_empty(),
        "a glob hides what is imported:\n{}",
        faults.join("\n")
    );
}

#[test]
fn no_two_files_import_each_other() {
    let sources = sources();
    let graph = FileGraph::of(&sources);
    let edges: usize = graph.imports.values().map(BTreeSet::len).sum();
    assert!(edges > 500, "the imports were not found: {edges}");
    let cycles: Vec<_> = graph.cycles().iter().map(|files| files.join(" ")).collect();
    assert!(cycles.is_empty(), "{} cycles:\n{}", cycles.len(), cycles.join("\n"));
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

/// Which line of [`WEB_ROOMS`] a file of `web` stands in.
fn room_of(module: &str) -> Option<usize> {
    let inner = module.strip_prefix("web")?;
    let inner = inner.strip_prefix("::").unwrap_or(inner);
    let fits = |name: &&&str| name.is_empty() || inner == **name || inner.starts_with(&format!("{name}::"));
    let lines = WEB_ROOMS.iter().enumerate();
    let named = lines.flat_map(|(line, names)| names.iter().filter(fits).map(move |name| (name.len(), line)));
    named.max().map(|(_, line)| line)
}

#[test]
fn the_rooms_of_web_are_in_order() {
    let sources = sources();
    let graph = FileGraph::of(&sources);
    let mut faults = Vec::new();
    for (file, targets) in &graph.imports {
        let Some(own) = room_of(file) else { continue };
        for target in targets {
            if room_of(target).is_some_and(|room| room > own) {
                faults.push(format!("{file} imports {target}, which stands below it"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn components_see_data_and_paths_only() {
    let sources = sources();
    let graph = FileGraph::of(&sources);
    let mut faults = Vec::new();
    for (file, targets) in graph.imports.iter().filter(|(file, _)| file.starts_with("web::ui")) {
        for target in targets {
            let is_within = |name: &str| target == name || target.starts_with(&format!("{name}::"));
            if !is_within("web::ui") && !UI_MAY_IMPORT.iter().any(|name| is_within(name)) {
                faults.push(format!("{file} imports {target}"));
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
