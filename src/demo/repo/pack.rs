use std::path::{Path, PathBuf};

use git2::{Oid, Repository};

/// Packs the loose objects and the loose branches, and returns the number of objects. Others may read meanwhile: an
/// object is in the pack before its file is removed.
pub(super) fn pack_loose(git: &Repository) -> Result<usize, git2::Error> {
    let objects = git.path().join("objects");
    let loose = loose_objects(&objects);
    if loose.is_empty() {
        return Ok(0);
    }
    let mut pack = git.packbuilder()?;
    for (id, _) in &loose {
        pack.insert_object(*id, None)?;
    }
    pack.write(&objects.join("pack"), 0o444)?;
    for (_, file) in &loose {
        // A file that stays takes room and does no harm.
        let _ = std::fs::remove_file(file);
    }
    git.refdb()?.compress()?;
    Ok(loose.len())
}

/// The objects that are files of their own, and those files: `objects/ab/cdef…`.
pub(super) fn loose_objects(objects: &Path) -> Vec<(Oid, PathBuf)> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let files =
        entries(objects).flat_map(|fan_out| entries(&fan_out.path()).map(|file| file.path()).collect::<Vec<_>>());
    files.filter_map(|file| Some((object_id(&file)?, file))).collect()
}

fn object_id(file: &Path) -> Option<Oid> {
    let prefix = file.parent()?.file_name()?.to_str()?;
    let name = format!("{prefix}{}", file.file_name()?.to_str()?);
    let is_object = prefix.len() == 2 && name.len() == 40;
    is_object.then(|| Oid::from_str(&name).ok()).flatten()
}
