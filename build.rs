//! Makes the files that the console serves from `assets`: one stylesheet, one script, htmx, each also compressed as much
//! as possible. What is served is compressed here once and never by the running program.

#![expect(
    clippy::expect_used,
    reason = "a build that cannot read or write its files has to stop"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// One sheet for each component, in cascade order; the first declares the order of the cascade layers.
const SHEETS: [&str; 18] = [
    "tokens",
    "base",
    "layout",
    "bar",
    "switcher",
    "freshness",
    "value",
    "mark",
    "table",
    "detail",
    "figure",
    "chart",
    "form",
    "deployment",
    "registry",
    "notice",
    "motion",
    "print",
];

/// The modules of the console's script. Each imports only from those above it.
const MODULES: [&str; 27] = [
    "state",
    "dom",
    "announce",
    "regions",
    "selection",
    "times",
    "morph",
    "changed-rows",
    "reading",
    "held-rows",
    "show-rows",
    "delta",
    "stream-slots",
    "freshness",
    "notices",
    "session",
    "connection",
    "polling",
    "stream",
    "faults",
    "switcher",
    "swaps",
    "navigation",
    "copy",
    "submit-once",
    "keys",
    "main",
];

fn main() {
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").expect("cargo sets it for build scripts");
    let out = Path::new(&out);
    write(out, "console.css", bundle_sheets().as_bytes());
    write(out, "console.js", bundle_modules().as_bytes());
    for (from, to) in [
        ("vendor/htmx.min.js", "htmx.js"),
        ("vendor/hx-sse.min.js", "hx-sse.js"),
        ("favicon.svg", "favicon.svg"),
    ] {
        write(out, to, read(from).as_bytes());
    }
}

fn read(name: &str) -> String {
    let path = Path::new("assets").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in a directory of `assets` must be those in a list.
fn check_complete(directory: &str, extension: &str, listed: &[&str]) {
    let entries = fs::read_dir(Path::new("assets").join(directory)).expect("the directory is in the repository");
    let written: BTreeSet<String> = entries
        .map(|entry| {
            entry
                .expect("a readable directory")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let listed: BTreeSet<String> = listed.iter().map(|name| format!("{name}.{extension}")).collect();
    assert_eq!(written, listed, "assets/{directory} and the list in build.rs differ");
}

/// All sheets, without comments and indentation.
fn bundle_sheets() -> String {
    check_complete("css", "css", &SHEETS);
    let all: String = SHEETS.iter().map(|name| read(&format!("css/{name}.css"))).collect();
    let mut code = String::new();
    for (at, part) in all.split("/*").enumerate() {
        code.push_str(if at == 0 {
            part
        } else {
            part.split_once("*/").map_or("", |(_, after)| after)
        });
    }
    lines(&code, |_| true)
}

/// All modules as one, without imports, comments and indentation. Each keeps its own scope; what it exports is declared
/// around them, so no two may export the same name.
fn bundle_modules() -> String {
    check_complete("js", "js", &MODULES);
    let mut declared = BTreeSet::new();
    let mut bundle = String::new();
    for (at, name) in MODULES.iter().enumerate() {
        let text = read(&format!("js/{name}.js"));
        for from in text
            .lines()
            .filter_map(|line| line.strip_prefix("import ")?.rsplit('"').nth(1))
        {
            let above = MODULES[..at].iter().any(|other| from == format!("./{other}.js"));
            assert!(
                above,
                "{name}.js imports {from}, which does not stand above it in build.rs"
            );
        }
        let exported: Vec<_> = text.lines().filter_map(exported_name).collect();
        for name in &exported {
            assert!(declared.insert((*name).to_owned()), "two modules export `{name}`");
        }
        let exported = exported.join(", ");
        let body = lines(&text, |line| !line.starts_with("import ") && !line.starts_with("//"));
        let body = format!("\n{body}").replace("\nexport ", "\n");
        match exported.as_str() {
            "" => bundle.push_str(&format!("(() => {{{body}}})();\n")),
            _ => bundle.push_str(&format!(
                "const {{ {exported} }} = (() => {{{body}return {{ {exported} }};\n}})();\n"
            )),
        }
    }
    bundle
}

/// The name that a line exports. Modules export constants only, so that importing one is naming it.
fn exported_name(line: &str) -> Option<&str> {
    let declaration = line.strip_prefix("export ")?;
    let name = declaration
        .strip_prefix("const ")
        .and_then(|rest| rest.split(' ').next());
    Some(name.unwrap_or_else(|| panic!("`{line}` exports something else than a constant")))
}

fn lines(text: &str, is_kept: impl Fn(&str) -> bool) -> String {
    let kept = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && is_kept(line));
    kept.map(|line| format!("{line}\n")).collect()
}

/// Writes a file, and beside it the same compressed.
fn write(out: &Path, name: &str, content: &[u8]) {
    let put = |name: &str, content: &[u8]| fs::write(out.join(name), content).expect("cargo made the directory");
    put(name, content);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(content).expect("writing to memory");
    put(&format!("{name}.gz"), &gzip.finish().expect("writing to memory"));
    let mut brotli = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        mode: brotli::enc::backward_references::BrotliEncoderMode::BROTLI_MODE_TEXT,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &*content, &mut brotli, &parameters).expect("writing to memory");
    put(&format!("{name}.br"), &brotli);
}
