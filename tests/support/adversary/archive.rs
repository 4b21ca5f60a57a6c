//! Checkpoint archives that are nearly right: what an export looks like, with a member or a header gone wrong.

use arbitrary::{Result, Unstructured};
use serde_json::{Value, json};
use switchboard::protocol::EXPERIMENT_HEADER;

use super::body::written;
use super::request::{Attack, header};
use super::world::{COMMIT, Cast, NOW};

const BLOCK: usize = 512;
const SOURCE: &str = "exp_7zzzzzzzzzzzzzzzzzzzzzzzzz";

const NAMES: [&[u8]; 16] = [
    b"../tasks.jsonl",
    b"checkpoint/../../escaped",
    b"/tmp/escaped",
    b"checkpoint/artifacts/sha256/../../../escaped",
    b"checkpoint/artifacts/sha256/0000000000000000000000000000000000000000000000000000000000000000",
    b"checkpoint//tasks.jsonl",
    b"checkpoint/./tasks.jsonl",
    b"other/tasks.jsonl",
    b"tasks.jsonl",
    b"checkpoint/",
    b"checkpoint",
    b"checkpoint/stranger",
    b"checkpoint/\xff\xfe",
    b"checkpoint\\tasks.jsonl",
    b"",
    &[b'a'; 100],
];

/// Files, links, devices, directories, extended headers and what nobody ever wrote.
const KINDS: &[u8] = b"0\x001234567xgLKSDMVA9";

const LINKS: [&str; 4] = ["", "/etc/passwd", "../../switchboard.db", "checkpoint/manifest.json"];

/// Of the next header, as `length key=value` lines; some lie.
const EXTENSIONS: [&[u8]; 9] = [
    b"27 path=../../escaped.txt\n",
    b"31 path=checkpoint/tasks.jsonl\n",
    b"13 size=1000\n",
    b"30 size=18446744073709551615\n\n\n",
    b"18 linkpath=/etc\n",
    b"99999999999999999999 path=a\n",
    b"5 a\n",
    b"\xff",
    b"0 path=a\n",
];

const BUNDLES: [&[u8]; 6] = [
    b"",
    b"# v2 git bundle\n",
    b"# v2 git bundle\n0000000000000000000000000000000000000000 refs/heads/../../escaped\n\nPACK\x00\x00\x00\x02\x00\x00\x00\x00",
    b"# v2 git bundle\n-1111111111111111111111111111111111111111 gone\n\nPACK\x00\x00\x00\x02\xff\xff\xff\xff",
    b"# v3 git bundle\n@filter=blob:none\n\n",
    b"PACK",
];

/// One member of the archive.
#[derive(Clone)]
struct Part {
    name: Vec<u8>,
    kind: u8,
    link: &'static str,
    data: Vec<u8>,
    /// What the header says, if not the truth.
    size: Option<u64>,
    has_bad_sum: bool,
}

impl Part {
    fn new(name: &str, data: Vec<u8>) -> Self {
        Self {
            name: format!("checkpoint/{name}").into_bytes(),
            kind: b'0',
            link: "",
            data,
            size: None,
            has_bad_sum: false,
        }
    }

    /// The header block and the data, padded (POSIX ustar).
    fn write(&self, into: &mut Vec<u8>) {
        let mut block = [0_u8; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name[..self.name.len().min(100)]);
        put(100, b"0000644\x000000000\x000000000\x00");
        let size = self.size.unwrap_or(self.data.len() as u64);
        match size < 1 << 33 {
            true => put(124, format!("{size:011o}\0").as_bytes()),
            // Base 256, as GNU has it for what is larger.
            false => put(124, &[&[0x80, 0, 0, 0], size.to_be_bytes().as_slice()].concat()),
        }
        put(136, b"00000000000\x00        ");
        put(156, &[self.kind]);
        put(157, self.link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let sum = if self.has_bad_sum { sum + 1 } else { sum };
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        into.extend(block);
        into.extend(&self.data);
        into.resize(into.len().next_multiple_of(BLOCK), 0);
    }
}

/// A request to import an archive made from bytes.
pub fn import(u: &mut Unstructured<'_>, cast: &Cast) -> Result<Attack> {
    let mut parts = parts(u, cast)?;
    for _ in 0..*u.choose(&[0, 0, 0, 1, 1, 2, 3])? {
        spoil(u, &mut parts)?;
    }
    let mut body = Vec::new();
    for part in &parts {
        part.write(&mut body);
    }
    match u.int_in_range(0..=31_u8)? {
        28 => {}
        29 => body.extend([0xff; 700]),
        30 if !body.is_empty() => body.truncate(u.choose_index(body.len())?),
        31 => body = u.bytes(u.len().min(2000))?.to_vec(),
        _ => body.resize(body.len() + 2 * BLOCK, 0),
    }
    let asked = *u.choose(&[
        "",
        "",
        "",
        "",
        &cast.experiment,
        &cast.unseeded,
        "exp_7yyyyyyyyyyyyyyyyyyyyyyyyy",
        "exp_00000000000000000000000000",
        "..",
    ])?;
    let query = if asked.is_empty() {
        String::new()
    } else {
        format!("?as_experiment_id={asked}")
    };
    let mut attack = cast.plain("POST", &format!("/v0/checkpoints/import{query}"), "", None);
    match u.int_in_range(0..=15_u8)? {
        14 => header(EXPERIMENT_HEADER, cast.experiment.as_bytes(), &mut attack.headers),
        15 => header(EXPERIMENT_HEADER, asked.as_bytes(), &mut attack.headers),
        _ => {}
    }
    attack.body = body;
    attack.is_cut = u.ratio(1, 32)?;
    Ok(attack)
}

/// Members as an export writes them; what they hold may be wrong already.
fn parts(u: &mut Unstructured<'_>, cast: &Cast) -> Result<Vec<Part>> {
    let of = |mut entity: Value| {
        if entity.get("experiment_id").is_some() {
            entity["experiment_id"] = json!(SOURCE);
        }
        entity
    };
    let actor = json!({ "worker_id": cast.workers[0], "experiment_id": SOURCE, "registered_at": NOW });
    let members =
        json!({ "group_id": cast.groups[0], "experiment_id": SOURCE, "members": [cast.workers[0]], "created_at": NOW });
    let mut claimed = cast.task("task-2", "evaluation", json!({ "variant_id": "variant-1" }));
    claimed["state"] = json!("submitted");
    claimed["claim"] = json!({ "worker_id": cast.workers[0], "claimed_at": NOW });
    let submission =
        json!({ "task_id": "task-2", "kind": "evaluation", "status": "success", "variant_id": "variant-1" });
    let event = json!({
        "event_id": "evt-000001", "type": "task.created", "occurred_at": NOW, "experiment_id": SOURCE,
        "data": { "task_id": "task-1", "kind": "ideation" },
    });
    let lines = [
        (
            "tasks",
            vec![
                cast.task("task-1", "ideation", json!({ "experiment_id": SOURCE })),
                claimed,
            ],
        ),
        ("ideas", vec![of(cast.idea("idea-1"))]),
        ("variants", vec![of(cast.variant("variant-1", "idea-1"))]),
        ("submissions", vec![submission]),
        ("events", vec![event]),
        ("workers", vec![actor]),
        ("groups", vec![members]),
    ];
    let mut counts = json!({});
    let mut files = json!({
        "experiment_config": "experiment-config.yaml", "experiment": "experiment.json", "repo_bundle": "repo.bundle",
        "artifacts_dir": "artifacts/sha256",
    });
    let mut parts = Vec::new();
    for (name, entities) in lines {
        counts[name] = json!(entities.len());
        files[name] = json!(format!("{name}.jsonl"));
        let mut data = Vec::new();
        for entity in entities {
            data.extend(line(u, entity, cast)?);
            data.push(b'\n');
        }
        parts.push(Part::new(&format!("{name}.jsonl"), data));
    }
    let manifest = json!({
        "checkpoint_format_version": "1", "spec_version": "v0", "experiment_id": SOURCE, "exported_at": NOW,
        "requires_credential_reissue": true, "counts": counts, "files": files,
    });
    let experiment =
        json!({ "experiment_id": SOURCE, "state": "running", "created_at": NOW, "base_commit_sha": COMMIT });
    // What else stands here is the archive's business, unless it is no text.
    let config = *u.choose(&[b"x".as_slice(), b"", b"a: [", b"a: &a [1]\nb: *a\n", b"\xff"])?;
    parts.insert(0, Part::new("manifest.json", line(u, manifest, cast)?));
    parts.push(Part::new("experiment.json", line(u, experiment, cast)?));
    parts.push(Part::new("experiment-config.yaml", config.to_vec()));
    let bundle = if u.ratio(3, 4)? { b"" } else { *u.choose(&BUNDLES)? };
    parts.push(Part::new("repo.bundle", bundle.to_vec()));
    Ok(parts)
}

/// JSON, most of it good: a whole archive of it must get past the first member.
fn line(u: &mut Unstructured<'_>, value: Value, cast: &Cast) -> Result<Vec<u8>> {
    match u.ratio(15, 16)? {
        true => Ok(value.to_string().into_bytes()),
        false => written(u, value, cast),
    }
}

fn spoil(u: &mut Unstructured<'_>, parts: &mut Vec<Part>) -> Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(parts.len())?;
    match u.int_in_range(0..=9_u8)? {
        0 => parts[at].name = u.choose(&NAMES)?.to_vec(),
        1 => parts[at].kind = *u.choose(KINDS)?,
        2 => {
            parts[at].kind = *u.choose(b"12")?;
            parts[at].link = u.choose(&LINKS)?;
        }
        3 => {
            let length = parts[at].data.len() as u64;
            let lies = [
                0,
                1,
                length + 1,
                length.saturating_sub(1),
                length + 513,
                (1 << 33) - 1,
                1 << 40,
                u64::MAX,
                i64::MAX as u64,
            ];
            parts[at].size = Some(*u.choose(&lies)?);
        }
        4 => parts.push(parts[at].clone()),
        5 => drop(parts.remove(at)),
        6 => parts[at].has_bad_sum = true,
        7 => {
            let mut extension = Part::new("extension", u.choose(&EXTENSIONS)?.to_vec());
            extension.kind = *u.choose(b"xgLK")?;
            parts.insert(at, extension);
        }
        8 => {
            let data = &mut parts[at].data;
            match u.int_in_range(0..=4_u8)? {
                0 => data.clear(),
                1 => drop(data.pop()),
                2 => data.extend(b"\n\n"),
                3 => data.extend(data.clone()),
                _ => data.extend(b"[".repeat(100_000)),
            }
        }
        _ => {
            let many = Part::new("artifacts/sha256/0", Vec::new());
            let length = usize::from(u.arbitrary::<u8>()?);
            parts.resize(parts.len() + length, many);
        }
    }
    Ok(())
}
