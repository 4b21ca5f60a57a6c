//! Git bundles (`gitformat-bundle`): a few lines that name the refs, then a pack.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use git2::{Oid, Repository};

const SIGNATURE_V2: &[u8] = b"# v2 git bundle\n";
const SIGNATURE_V3: &[u8] = b"# v3 git bundle\n";
const MAX_LINE: u64 = 4096;
const MAX_REFS: usize = 200_000;

/// Writes all refs of a repository and what they reach. Without any ref nothing is written.
///
/// # Errors
/// When an object is missing, or `out` cannot be written.
pub(super) fn write(repo: &Repository, out: &mut impl Write) -> Result<(), git2::Error> {
    let mut refs = Vec::new();
    for reference in repo.references()? {
        let reference = reference?;
        // A dangling one, such as the head of a remote that is gone, names no commit.
        if let (Ok(name), Some(target)) = (reference.name(), reference.resolve().ok().and_then(|r| r.target())) {
            refs.push((name.to_owned(), target));
        }
    }
    if refs.is_empty() {
        return Ok(());
    }
    if repo.is_shallow() {
        // The walk would stop where the history is cut off, and the bundle would look complete.
        return Err(git2::Error::from_str(
            "the history is cut off: fetch the rest of it (git fetch --unshallow)",
        ));
    }
    if let Some(head) = repo.head().ok().and_then(|head| head.target()) {
        // A clone of the bundle checks this out.
        refs.push(("HEAD".to_owned(), head));
    }
    let mut walk = repo.revwalk()?;
    let mut pack = repo.packbuilder()?;
    for (_, target) in &refs {
        let object = repo.find_object(*target, None)?;
        match object.peel_to_commit() {
            Ok(commit) => walk.push(commit.id())?,
            Err(_) => pack.insert_recursive(*target, None)?,
        }
        if object.kind() == Some(git2::ObjectType::Tag) {
            pack.insert_recursive(*target, None)?;
        }
    }
    pack.insert_walk(&mut walk)?;
    let mut header = SIGNATURE_V2.to_vec();
    for (name, target) in &refs {
        header.extend(format!("{target} {name}\n").bytes());
    }
    header.push(b'\n');
    let mut written = out.write_all(&header);
    let packed = pack.foreach(|chunk| {
        written = out.write_all(chunk);
        written.is_ok()
    });
    // If a write failed, `packed` is only a consequence of that.
    written.map_err(|error| git2::Error::from_str(&error.to_string()))?;
    packed
}

/// The refs of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refs {
    /// Sorted by name.
    pub(super) refs: Vec<(String, Oid)>,
    pub(super) head: Option<Oid>,
}

impl Refs {
    /// Reads the lines before the pack. The reader is left at the start of the pack.
    ///
    /// # Errors
    /// A sentence about the first fault.
    pub(super) fn read(reader: &mut impl BufRead) -> Result<Self, String> {
        let is_v3 = match line(reader)?.as_slice() {
            SIGNATURE_V2 => false,
            SIGNATURE_V3 => true,
            _ => return Err("it is no git bundle".to_owned()),
        };
        let (mut refs, mut head, mut names) = (Vec::new(), None, BTreeSet::new());
        loop {
            let line = line(reader)?;
            let line = std::str::from_utf8(&line)
                .map_err(|_| "a ref is not named in UTF-8")?
                .trim_end_matches('\n');
            match line.as_bytes().first() {
                None => break,
                Some(b'@') if is_v3 && line == "@object-format=sha1" => continue,
                Some(b'@') => return Err(format!("it needs {line}, which is not supported")),
                Some(b'-') => return Err("it is not whole: it builds on commits it does not hold".to_owned()),
                _ => {}
            }
            let (id, name) = line.split_once(' ').ok_or("a ref has no name")?;
            let id = (id.len() == 40).then(|| Oid::from_str(id).ok()).flatten();
            let id = id.ok_or("a ref names no object")?;
            if name == "HEAD" {
                head = Some(id);
                continue;
            }
            // libgit2 aborts the process at a name that contains NUL.
            let is_plain = name.starts_with("refs/") && !name.contains(char::is_control);
            let is_fit = is_plain && git2::Reference::is_valid_name(name);
            if !is_fit || !names.insert(name.to_owned()) {
                return Err(format!("{name:?} is there twice or cannot be the name of a ref"));
            }
            if names.len() > MAX_REFS {
                return Err(format!("it has more than {MAX_REFS} refs"));
            }
            refs.push((name.to_owned(), id));
        }
        let is_inside = |name: &String| {
            let ancestors = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
            ancestors.into_iter().any(|above| names.contains(above))
        };
        if let Some(name) = names.iter().find(|name| is_inside(name)) {
            return Err(format!("{name:?} lies inside another ref"));
        }
        refs.sort();
        Ok(Self { refs, head })
    }

    /// The text of the `packed-refs` file of a repository with these refs.
    pub(super) fn packed(&self) -> String {
        use std::fmt::Write;
        self.refs.iter().fold(String::new(), |mut text, (name, id)| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{id} {name}");
            text
        })
    }

    /// The branch to check out: one that is at the commit of `HEAD`, and `main` before others. Without `HEAD` only
    /// `main` will do.
    pub(super) fn branch(&self) -> Option<&str> {
        let branches = self.refs.iter().filter(|(name, _)| name.starts_with("refs/heads/"));
        let mut fit = branches.filter(|(_, id)| self.head.is_none_or(|head| head == *id));
        let main = fit.clone().find(|(name, _)| name == "refs/heads/main");
        let other = || fit.next().filter(|_| self.head.is_some());
        main.or_else(other).map(|(name, _)| name.as_str())
    }
}

fn line(reader: &mut impl BufRead) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    let read = reader.take(MAX_LINE).read_until(b'\n', &mut line);
    read.map_err(|error| error.to_string())?;
    match line.last() {
        Some(b'\n') => Ok(line),
        _ => Err("it ends among its refs, or one of them is too long".to_owned()),
    }
}

/// Puts a pack into a new repository. It does not check whether objects are missing.
pub(super) fn unpack(pack: &mut impl Read, repository: &Path) -> Result<(), String> {
    let home = repository.join("objects").join("pack");
    let mut indexer = git2::Indexer::new(None, &home, 0o444, false).map_err(|error| error.to_string())?;
    io::copy(pack, &mut indexer).map_err(|error| error.to_string())?;
    indexer.commit().map_err(|error| error.to_string())?;
    Ok(())
}
