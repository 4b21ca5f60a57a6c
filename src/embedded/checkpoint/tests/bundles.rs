//! Git bundles: what they must contain, and what is refused.

use super::*;

#[test]
fn a_bundle_must_contain_what_the_lines_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = valid_members(dir.path());
    let with = |member: &str, bytes: Vec<u8>| {
        let mut members = whole.clone();
        members.insert(member.to_owned(), bytes);
        refusal(dir.path(), &tar(&members))
    };
    let text = |member: &str| String::from_utf8(whole[member].clone()).expect("text");
    assert_eq!(
        with("repo.bundle", Vec::new()),
        None,
        "without a bundle nothing can be checked"
    );
    for member in ["ideas.jsonl", "variants.jsonl", "experiment.json"] {
        let at = text(member).find("_sha\":\"").map(|at| at + 7);
        let at = at
            .or_else(|| text(member).find("commits\":[\"").map(|at| at + 11))
            .expect("a commit");
        let mut spoiled = text(member);
        spoiled.replace_range(at..at + 40, &"a".repeat(40));
        let (kind, detail) = with(member, spoiled.into_bytes()).expect("refused");
        assert_eq!(kind, ErrorType::CheckpointInvalid);
        assert!(detail.contains("names commit aaaa"), "{member}: {detail}");
    }
    // An executor records its branch before it pushes it.
    let early = text("variants.jsonl")
        .replace("work/v-1", "work/not-yet")
        .replace("\"commit_sha\"", "\"tip\"");
    assert_eq!(with("variants.jsonl", early.into_bytes()), None);

    let bundle = &whole["repo.bundle"];
    let head = bundle.windows(2).position(|pair| pair == b"\n\n").expect("a header") + 2;
    let (head, pack) = bundle.split_at(head);
    let head = String::from_utf8(head.to_vec()).expect("text");
    let rewritten = |from: &str, to: &str| {
        assert!(head.contains(from), "{head} has {from}");
        [head.replacen(from, to, 1).as_bytes(), pack].concat()
    };
    let zeros = "0".repeat(40);
    for (bytes, words) in [
        (rewritten("# v2", "# v9"), "no git bundle"),
        (
            rewritten("bundle\n", &format!("bundle\n-{zeros} missing\n")),
            "not whole",
        ),
        (rewritten("bundle\n", "bundle\n@filter=blob:none\n"), "not supported"),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/x\n")),
            "repo.bundle",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/../../x\n")),
            "name of a ref",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/a\0b\n")),
            "name of a ref",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} config\n")),
            "name of a ref",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/main\n")),
            "there twice",
        ),
        (
            rewritten("bundle\n", &format!("bundle\n{zeros} refs/heads/main/x\n")),
            "inside another",
        ),
        (bundle[..bundle.len() - 30].to_vec(), "pack"),
        ([head.as_bytes(), b"PACK\0\0\0\x02\xff\xff\xff\xff"].concat(), "objects"),
        (b"# v2 git bundle\n".to_vec(), "ends among its refs"),
        (
            format!("# v2 git bundle\n{}", "x".repeat(10_000)).into_bytes(),
            "too long",
        ),
    ] {
        let (kind, detail) = with("repo.bundle", bytes).unwrap_or_else(|| panic!("taken, not {words}"));
        assert_eq!(kind, ErrorType::CheckpointInvalid);
        assert!(detail.contains(words), "{words}: {detail}");
    }
}

/// A zlib stream of this many zeros.
fn deflated(size: u64, begin: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(begin).expect("written");
    std::io::copy(&mut std::io::repeat(0).take(size), &mut out).expect("written");
    out.finish().expect("finished")
}

/// A pack entry: three bits of kind, a size, and its data.
fn object(kind: u8, mut size: u64, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(kind << 4) | (size & 0x0f) as u8];
    size >>= 4;
    while size > 0 {
        *bytes.last_mut().expect("never empty") |= 0x80;
        bytes.push((size & 0x7f) as u8);
        size >>= 7;
    }
    bytes.extend(data);
    bytes
}

#[test]
fn the_sizes_that_a_pack_states_are_checked() {
    let of = |object: &[u8]| {
        let pack = [b"PACK\0\0\0\x02\0\0\0\x01", object].concat();
        pack::check_sizes(&mut Cursor::new(pack), 1000)
    };
    assert_eq!(of(&object(3, 100, &deflated(100, b""))), Ok(()));
    let fault = |object: &[u8]| of(object).expect_err("refused");
    assert!(fault(&object(3, 99, &deflated(100, b""))).contains("larger than it says"));
    assert!(fault(&object(3, 101, &deflated(100, b""))).contains("smaller than it says"));
    assert!(fault(&object(3, 50_000_000, &deflated(50_000, b""))).contains("smaller"));
    let bomb = pack::MAX_OBJECT + 1;
    assert!(fault(&object(3, bomb, &deflated(0, b""))).contains("more than"));
    // A delta on an object of ten bytes whose stated result has many gigabytes.
    let delta = [10, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let base = [[0_u8; 20].as_slice(), &deflated(0, &delta)].concat();
    assert!(fault(&object(7, delta.len() as u64, &base)).contains("more than"));
    assert!(fault(&object(5, 1, &deflated(1, b""))).contains("unknown kind"));
    // Many of them, each just small enough.
    let mut size = pack::MAX_OBJECT;
    let mut delta = vec![10];
    while size > 0x7f {
        delta.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    delta.push(size as u8);
    let one = object(
        7,
        delta.len() as u64,
        &[[0_u8; 20].as_slice(), &deflated(0, &delta)].concat(),
    );
    let many = |count: u32| {
        [
            b"PACK\0\0\0\x02".as_slice(),
            &count.to_be_bytes(),
            &one.repeat(count as usize),
        ]
        .concat()
    };
    let floor = u32::try_from(pack::ALLOWANCE / pack::MAX_OBJECT).expect("few");
    assert_eq!(pack::check_sizes(&mut Cursor::new(many(floor)), 0), Ok(()));
    let words = pack::check_sizes(&mut Cursor::new(many(floor + 1)), 0).expect_err("refused");
    assert!(words.contains("in all"), "{words}");
    assert_eq!(
        pack::check_sizes(&mut Cursor::new(many(floor + 1)), pack::MAX_OBJECT),
        Ok(())
    );
    assert!(fault(&[0xff; 20]).contains("impossible size"));
    assert!(fault(b"").contains("middle"));
}

#[test]
fn a_history_survives_a_bundle_unchanged() {
    let dir = tempfile::tempdir().expect("a directory");
    let (bundle, seed, tip) = repository(dir.path());
    let mut reader = BufReader::new(bundle.as_slice());
    let refs = Refs::read(&mut reader).expect("read");
    let named: Vec<_> = refs.refs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, ["refs/heads/main", "refs/heads/work/v-1", "refs/tags/v1"]);
    assert_eq!(refs.branch(), Some("refs/heads/main"));
    assert_eq!(refs.refs[0].1.to_string(), seed);
    assert_eq!(refs.refs[1].1.to_string(), tip);
    pack::check_sizes(&mut reader, 1000).expect("sound");

    let empty = Repository::init_bare(dir.path().join("empty.git")).expect("a repository");
    let mut nothing = Vec::new();
    bundle::write(&empty, &mut nothing).expect("written");
    assert_eq!(nothing.len(), 0);
}
