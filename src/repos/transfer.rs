//! Writing objects and branches into a clone. All functions block.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use git2::{Direction, ErrorClass, ErrorCode, Oid, Repository};
use tracing::warn;

use super::error::{RemoteFailure, RemoteFault, RepoError, sanitize};
use super::pkt_line::Advertisement;

/// At most this many local branches are sent to the remote as `have`.
const MAX_HAVES: usize = 256;
/// From this many packs on they are repacked into one.
const REPACK_AT: usize = 50;
/// From this many written refs on they are packed.
const PACK_REFS_AT: usize = 256;

/// What a clone lacks, and what it has already.
pub(super) struct Plan {
    pub wants: Vec<Oid>,
    pub haves: Vec<Oid>,
}

/// Compares a clone with its remote.
pub(super) fn plan(clone: &Path, advertised: &Advertisement) -> Result<Plan, RepoError> {
    let wrap = RepoError::git(clone);
    let git = Repository::open_bare(clone).map_err(&wrap)?;
    let odb = git.odb().map_err(&wrap)?;
    let wants: BTreeSet<_> = advertised.heads.iter().map(|(_, id)| *id).collect();
    let haves: BTreeSet<_> = heads(&git).map_err(&wrap)?.into_values().collect();
    Ok(Plan {
        wants: wants.into_iter().filter(|id| !odb.exists(*id)).collect(),
        haves: haves.into_iter().filter(|id| odb.exists(*id)).take(MAX_HAVES).collect(),
    })
}

/// Adds a pack to a clone, atomically.
pub(super) fn index_pack(clone: &Path, pack: &Path) -> Result<(), RepoError> {
    let wrap = RepoError::git(clone);
    let git = Repository::open_bare(clone).map_err(&wrap)?;
    let odb = git.odb().map_err(&wrap)?;
    let mut writer = odb.packwriter().map_err(&wrap)?;
    let mut file = BufReader::new(File::open(pack).map_err(RepoError::disk(pack))?);
    io::copy(&mut file, &mut writer).map_err(RepoError::disk(clone))?;
    writer.commit().map_err(&wrap)?;
    Ok(())
}

/// Updates the branches of a clone to those of its remote. In a repository that others made, branches are added and
/// fast-forwarded, and none is removed.
pub(super) fn update_branches(clone: &Path, advertised: &Advertisement, is_ours: bool) -> Result<(), RepoError> {
    let wrap = RepoError::git(clone);
    let git = Repository::open_bare(clone).map_err(&wrap)?;
    let present = heads(&git).map_err(&wrap)?;
    let names: BTreeSet<_> = advertised.heads.iter().map(|(name, _)| name.as_str()).collect();
    if is_ours {
        // First, since `work/a` must be removed before there can be a `work/a/b`.
        for gone in present.keys().filter(|name| !names.contains(name.as_str())) {
            let removed = git.find_reference(gone).and_then(|mut found| found.delete());
            removed.map_err(&wrap)?;
        }
    }
    let mut written = 0;
    for (name, id) in &advertised.heads {
        match present.get(name) {
            Some(current) if current == id => continue,
            Some(current) if !is_ours && !git.graph_descendant_of(*id, *current).unwrap_or(false) => {
                warn!(repository = %clone.display(), branch = name, "a branch differs from the remote's and is left as it is");
            }
            _ => {
                git.reference(name, *id, true, "fetch").map_err(&wrap)?;
                written += 1;
            }
        }
    }
    if let Some(head) = advertised.head.as_deref().filter(|_| is_ours) {
        git.set_head(head).map_err(&wrap)?;
    }
    if written > PACK_REFS_AT {
        git.refdb().and_then(|refs| refs.compress()).map_err(&wrap)?;
    }
    Ok(())
}

/// Repacks many packs into one, with all objects in them: what no branch reaches any more may still be a variant's
/// commit.
pub(super) fn repack(clone: &Path) -> Result<(), RepoError> {
    let wrap = RepoError::git(clone);
    let dir = clone.join("objects/pack");
    let files = || -> io::Result<BTreeSet<PathBuf>> {
        let entries = fs::read_dir(&dir)?;
        entries.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let old = files().map_err(RepoError::disk(&dir))?;
    let is_pack = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "pack");
    if old.iter().filter(is_pack).count() < REPACK_AT {
        return Ok(());
    }
    let git = Repository::open_bare(clone).map_err(&wrap)?;
    let mut all = BTreeSet::new();
    let odb = git.odb().map_err(&wrap)?;
    let collect = odb.foreach(|id| {
        all.insert(*id);
        true
    });
    collect.map_err(&wrap)?;
    let mut pack = git.packbuilder().map_err(&wrap)?;
    for id in all {
        pack.insert_object(id, None).map_err(&wrap)?;
    }
    pack.write(&dir, 0o444).map_err(&wrap)?;
    // A pack of the same content has the same name, and must stay.
    let name = pack.name().ok().flatten().map(str::to_owned).unwrap_or_default();
    for file in old.iter().filter(|file| !file.to_string_lossy().contains(&name)) {
        fs::remove_file(file).map_err(RepoError::disk(file))?;
    }
    Ok(())
}

/// Fetches the objects of a repository on this machine into a clone. Returns its branches.
pub(super) fn fetch_directory(clone: &Path, source: &Path) -> Result<Advertisement, RepoError> {
    let failure = |fault, message: &str| RemoteFailure {
        fault,
        url: source.display().to_string(),
        message: sanitize(message, &[]),
    };
    match fs::metadata(source) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(failure(RemoteFault::NoSuchRepository, "no such directory").into());
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(failure(RemoteFault::Refused, &error.to_string()).into());
        }
        Err(error) => return Err(failure(RemoteFault::Unreachable, &error.to_string()).into()),
    }
    let broken = |error: git2::Error| match error.class() {
        ErrorClass::Os => failure(RemoteFault::Unreachable, error.message()),
        _ => failure(RemoteFault::Broken, error.message()),
    };
    let path = source
        .to_str()
        .ok_or_else(|| failure(RemoteFault::Broken, "its name is not UTF-8"))?;
    let git = Repository::open_bare(clone).map_err(RepoError::git(clone))?;
    let mut remote = git.remote_anonymous(path).map_err(broken)?;
    remote.connect(Direction::Fetch).map_err(broken)?;
    let mut advertised = Advertisement::default();
    for head in remote.list().map_err(broken)? {
        advertised.add(head.name(), head.oid());
        if let (Some(branch), "HEAD") = (head.symref_target(), head.name()) {
            advertised.set_head(branch);
        }
    }
    if !advertised.heads.is_empty() {
        remote.download(&["+refs/heads/*:refs/heads/*"], None).map_err(broken)?;
    }
    Ok(advertised)
}

/// The branches of a repository.
fn heads(git: &Repository) -> Result<BTreeMap<String, Oid>, git2::Error> {
    let mut heads = BTreeMap::new();
    for found in git.references_glob("refs/heads/*")? {
        match found {
            Ok(found) => {
                if let (Ok(name), Some(id)) = (found.name(), found.target()) {
                    heads.insert(name.to_owned(), id);
                }
            }
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(heads)
}
