//! The container: hostile names, links, headers and lengths.

use super::*;

#[test]
fn hostile_archives_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = valid_members(dir.path());
    let with = |add: &dyn Fn(&mut Vec<u8>)| {
        let mut archive = Vec::new();
        add(&mut archive);
        archive.extend(tar(&whole));
        refusal(dir.path(), &archive).map(|(kind, detail)| {
            assert_eq!(kind, ErrorType::CheckpointInvalid);
            detail
        })
    };
    let file = |name: &'static [u8]| with(&move |out| entry(out, name, EntryType::Regular, b"x"));
    assert_eq!(with(&|out| entry(out, b"top/", EntryType::Directory, b"")), None);
    assert_eq!(
        with(&|out| entry(out, b"top/artifacts/sha256/", EntryType::Directory, b"")),
        None
    );
    assert_eq!(file(b"top/artifacts/sha256/abc"), None);
    assert_eq!(file(b"./top/artifacts/sha256/abc"), None);
    let long = |name: &'static [u8]| {
        with(&move |out| {
            entry(out, b"././@LongLink", EntryType::GNULongName, name);
            entry(out, b"elsewhere", EntryType::Regular, b"x");
        })
    };
    assert_eq!(long(b"top/artifacts/sha256/abc\0"), None);
    assert!(long(b"top/tasks.jsonl\0").expect("refused").contains("there twice"));
    assert!(
        long(b"top/../tasks.jsonl\0")
            .expect("refused")
            .contains("no plain path")
    );
    assert!(long(b"top/artifacts/sha256/abc").expect("refused").contains("no end"));
    for (name, words) in [
        (&b"/etc/passwd"[..], "no plain path"),
        (b"../x", "no plain path"),
        (b"././top/x", "no plain path"),
        (b"./", "no plain path"),
        (b"top/../../x", "no plain path"),
        (b"top/./tasks.jsonl", "no plain path"),
        (b"top//tasks.jsonl", "no plain path"),
        (b"other/tasks.jsonl", "not in the one directory"),
        (b"top/tasks.jsonl", "there twice"),
        (b"top/more.jsonl", "no business"),
        (b"top/artifacts/sha256/a/b", "no business"),
        (b"top/\xff\xfe", "UTF-8"),
        (b"top", "no business"),
    ] {
        let detail = with(&move |out| entry(out, name, EntryType::Regular, b"x"));
        let detail = detail.unwrap_or_else(|| panic!("{:?} was taken", String::from_utf8_lossy(name)));
        assert!(detail.contains(words), "{detail}");
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
        EntryType::GNULongLink,
        EntryType::Continuous,
    ] {
        let detail = with(&move |out| entry(out, b"top/artifacts/x", kind, b"")).expect("refused");
        assert!(detail.contains("neither a file nor a directory"), "{kind:?}: {detail}");
    }
    for (records, words) in [
        (&b"27 path=top/artifacts/xyzw\n"[..], ""),
        (b"18 path=/etc/passwd\n", "malformed"),
        (b"20 path=/etc/passwd\n", "no plain path"),
        (b"10 size=1\n", "moves a member"),
        (b"22 GNU.sparse.major=1\n", "sparse"),
        (b"99999999999999999999 a=b\n", "malformed"),
        (b"no record", "malformed"),
        (b"3 \n", "malformed"),
        (b"0 a=b\n", "malformed"),
    ] {
        let detail = with(&move |out| {
            entry(out, b"top/pax", EntryType::XHeader, records);
            entry(out, b"top/artifacts/x", EntryType::Regular, b"x");
        });
        let detail = detail.unwrap_or_default();
        assert_eq!(detail.is_empty(), words.is_empty(), "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
    let long = vec![b'a'; 100_000];
    let detail = with(&|out| entry(out, b"top/pax", EntryType::XHeader, &long)).expect("refused");
    assert!(detail.contains("too long"), "{detail}");

    // A header that states a false size of what follows.
    let mut lie = tar(&whole);
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..12].copy_from_slice(b"top/whatever");
    header.set_entry_type(EntryType::Regular);
    header.set_size(u64::MAX / 2);
    header.set_cksum();
    lie.splice(0..0, header.as_bytes().iter().copied());
    assert!(refusal(dir.path(), &lie).is_some());
    let archive = tar(&whole);
    for cut in [0, 1, 511, 512, 700, archive.len() / 2, archive.len() - 1536] {
        let refused = refusal(dir.path(), &archive[..cut]);
        assert!(refused.is_some(), "cut at {cut}");
    }
}

#[test]
fn members_are_found_wherever_they_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = valid_members(dir.path());
    let archive = Archive::open(on_disk(&tar(&whole)), CancellationToken::new()).expect("found");
    archive.require_complete().expect("complete");
    for member in Member::ALL {
        let mut bytes = Vec::new();
        archive.read(member).read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes, whole[member.name()], "{}", member.name());
    }
}
