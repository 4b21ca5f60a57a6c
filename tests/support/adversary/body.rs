//! Bodies that are nearly right: what the route wants, with a member or two gone wrong.

use arbitrary::{Result, Unstructured};
use poem::http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::request::header;
use super::world::{COMMIT, Cast, NOW};

/// Stands for bytes that no JSON value could hold, until the body is written.
const MARK: &str = "\u{2}";

impl Cast {
    pub fn task(&self, id: &str, kind: &str, payload: Value) -> Value {
        json!({
            "task_id": id, "kind": kind, "state": "pending", "payload": payload, "created_at": NOW, "updated_at": NOW,
        })
    }

    pub fn idea(&self, id: &str) -> Value {
        json!({
            "idea_id": id, "experiment_id": self.experiment, "slug": "steeper", "priority": 1.0,
            "parent_commits": [COMMIT], "artifacts_uri": "eden://artifacts/0", "state": "drafting", "created_at": NOW,
        })
    }

    pub fn variant(&self, id: &str, idea: &str) -> Value {
        json!({
            "variant_id": id, "experiment_id": self.experiment, "status": "starting", "idea_id": idea,
            "parent_commits": [COMMIT], "branch": format!("work/{id}"), "commit_sha": "1".repeat(40), "started_at": NOW,
        })
    }

    /// What the route wants.
    fn wanted(&self, u: &mut Unstructured<'_>, route: &str, method: &str) -> Result<Option<Value>> {
        let n = u.arbitrary::<u8>()?;
        let target = json!({ "kind": "worker", "id": self.workers[0] });
        let last = route.rsplit('/').next().unwrap_or_default();
        Ok(Some(match (method, last) {
            ("PATCH", "dispatch_mode") => json!({ "termination": "auto", "integration": "manual", "unknown": "auto" }),
            ("POST", "terminate") => json!({ "reason": "enough" }),
            ("POST", "policy-errors") => json!({ "policy_kind": "p", "error_type": "e", "error_message": "m" }),
            ("POST", "tasks") => {
                let (kind, payload) = match n % 3 {
                    0 => ("ideation", json!({ "experiment_id": self.experiment })),
                    1 => ("execution", json!({ "idea_id": "idea-2" })),
                    _ => ("evaluation", json!({ "variant_id": "variant-1" })),
                };
                let mut task = self.task(&format!("task-{n}"), kind, payload);
                if n % 4 == 0 {
                    task["target"] = target;
                }
                task
            }
            ("POST", "ideas") => {
                let mut idea = self.idea(&format!("idea-{n}"));
                if n % 4 == 0 {
                    idea["intended_executor"] = target;
                }
                idea
            }
            ("POST", "variants") => self.variant(&format!("variant-{n}"), "idea-3"),
            ("POST", "claim") => json!({ "expires_at": NOW }),
            ("POST", "submit") => {
                let payload = match n % 3 {
                    0 => json!({ "status": "success", "idea_ids": ["idea-2"] }),
                    1 => json!({ "status": "success", "variant_id": "variant-1", "commit_sha": "1".repeat(40) }),
                    _ => json!({
                        "status": "success", "variant_id": "variant-1", "evaluation": { "score": 1.5, "retries": 2 },
                        "artifacts_uri": "eden://artifacts/0",
                    }),
                };
                json!({ "payload": payload })
            }
            ("POST", "reject") => json!({ "reason": "worker_error" }),
            ("POST", "reclaim") => json!({ "cause": "operator" }),
            ("POST", "reassign") => json!({ "new_target": target, "reason": "because" }),
            ("POST", "integrate") => json!({ "variant_commit_sha": "2".repeat(40) }),
            ("POST", "workers") => json!({ "name": format!("worker {n}"), "labels": { "a": "b" } }),
            ("POST", "groups") => json!({ "name": format!("group {n}"), "members": [self.workers[0]] }),
            ("POST", "members") => json!({ "member_id": self.groups[usize::from(n) % self.groups.len()] }),
            ("POST", "experiments") => match n % 4 {
                0 => json!({ "config_uri": "file:///a", "experiment_id": "exp_00000000000000000000000000" }),
                _ => json!({ "config_uri": "file:///a", "name": format!("experiment {n}") }),
            },
            ("POST", "leases") => json!({ "holder": self.deployment_worker, "holder_instance": "one" }),
            ("POST", "renew" | "release") => json!({ "holder_instance": "one" }),
            ("POST", "seed") => json!({ "config": config(n), "base_commit_sha": COMMIT }),
            ("POST", "evaluation") => json!({ "evaluation": { "score": 1.5 } }),
            _ => return Ok(None),
        }))
    }
}

/// Configurations: a good one, and what is YAML but hardly a configuration.
fn config(n: u8) -> String {
    let good = "{parallel_variants: 1, evaluation_schema: {a: real}, objective: {expr: a, direction: maximize}";
    match n % 12 {
        0 => format!("{good}, x: .nan, y: .inf, z: -.inf}}"),
        1 => format!("{good}, x: &x [1, *x]}}"),
        2 => format!("{good}, x: &x [1, 2], y: [*x, *x, *x]}}"),
        3 => format!("{good}, x: !tag 1, ? [a] : b}}"),
        4 => format!("{good}, x: {}}}", "[".repeat(200)),
        5 => format!("{good}, x: {}1{}}}", "[".repeat(100), "]".repeat(100)),
        6 => format!("{good}, parallel_variants: 2}}"),
        7 => format!("{good}, 1: 2, true: 3, null: 4}}"),
        8 => "\u{0}".to_owned(),
        9 => format!("{good}, dispatch_mode: {{termination: later, x: [1]}}}}"),
        _ => format!("{good}}}"),
    }
}

/// The body, and the headers that say what it is.
pub fn body(
    u: &mut Unstructured<'_>,
    route: &str,
    method: &str,
    cast: &Cast,
    headers: &mut Vec<(HeaderName, HeaderValue)>,
) -> Result<Vec<u8>> {
    if route.ends_with("/artifacts") && method == "POST" {
        return multipart(u, headers);
    }
    let kinds = [
        b"application/json".as_slice(),
        b"application/json",
        b"",
        b"text/plain",
        b"multipart/form-data",
        b"\xff",
    ];
    header("content-type", u.choose(&kinds)?, headers);
    let wanted = cast.wanted(u, route, method)?;
    let mut text = match (wanted, u.int_in_range(0..=31_u8)?) {
        (Some(wanted), 0..=29) => written(u, wanted, cast)?,
        (None, 0..=27) => Vec::new(),
        (_, 30) => u.bytes(u.len().min(4096))?.to_vec(),
        _ => whole(u)?,
    };
    if u.ratio(1, 16)? && !text.is_empty() {
        let at = u.choose_index(text.len())?;
        match u.int_in_range(0..=2_u8)? {
            0 => text.truncate(at),
            1 => text[at] = u.arbitrary()?,
            _ => text.insert(at, u.arbitrary()?),
        }
    }
    Ok(text)
}

/// Bodies that are wrong as a whole.
fn whole(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    Ok(match u.int_in_range(0..=9_u8)? {
        0 => Vec::new(),
        1 => b"null".to_vec(),
        2 => b"[]".to_vec(),
        3 => b"\"text\"".to_vec(),
        4 => b"\xef\xbb\xbf{}".to_vec(),
        5 => b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec(),
        6 => nested(100_000),
        7 => b"{}{}".to_vec(),
        8 => vec![b' '; 1024 * 1024 + 1],
        _ => b"\xff\xfe{\x00}\x00".to_vec(),
    })
}

fn nested(depth: usize) -> Vec<u8> {
    ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes()
}

/// Writes a value after a few of its members went wrong.
pub fn written(u: &mut Unstructured<'_>, mut value: Value, cast: &Cast) -> Result<Vec<u8>> {
    let mut raws = Vec::new();
    for _ in 0..u.int_in_range(0..=3_u8)? {
        let pointers = pointers(&value);
        let at = u.choose(&pointers)?;
        let (parent, key) = at.rsplit_once('/').unwrap_or_default();
        match u.int_in_range(0..=7_u8)? {
            0 => {
                if let Some(object) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
                    object.remove(key);
                }
            }
            1 => {
                if let Some(object) = value.pointer_mut(at).and_then(Value::as_object_mut) {
                    let key = *u.choose(&[
                        "extra",
                        "experiment_id",
                        "kind",
                        "warnings",
                        "state",
                        "",
                        "claim",
                        "\u{0}",
                    ])?;
                    object.insert(key.to_owned(), mark(&mut raws, raw(u)?));
                }
            }
            2 => put(&mut value, at, Value::Null),
            3 => {
                let ids = [
                    &cast.experiment,
                    &cast.unseeded,
                    &cast.workers[1],
                    &cast.groups[1],
                    &cast.lease,
                    "idea-1",
                    NOW,
                ];
                put(&mut value, at, json!(u.choose(&ids)?));
            }
            4 => put(&mut value, at, json!(u.arbitrary::<f64>()?)),
            5 => put(&mut value, at, json!(u.arbitrary::<String>()?)),
            _ => put(&mut value, at, mark(&mut raws, raw(u)?)),
        }
    }
    let mut text = value.to_string().into_bytes();
    for (n, raw) in raws.iter().enumerate() {
        let marked = json!(format!("{MARK}{n}")).to_string().into_bytes();
        if let Some(at) = text.windows(marked.len()).position(|window| window == marked) {
            text.splice(at..at + marked.len(), raw.iter().copied());
        }
    }
    if u.ratio(1, 16)? && text.starts_with(b"{\"") {
        // The first member a second time, or before its time.
        let end = text.iter().position(|byte| *byte == b':').unwrap_or(1);
        let twice = [&text[1..=end], b"null,"].concat();
        text.splice(1..1, twice);
    }
    Ok(text)
}

fn put(value: &mut Value, at: &str, new: Value) {
    if let Some(place) = value.pointer_mut(at) {
        *place = new;
    }
}

fn mark(raws: &mut Vec<Vec<u8>>, raw: Vec<u8>) -> Value {
    raws.push(raw);
    json!(format!("{MARK}{}", raws.len() - 1))
}

/// Where every member is, from the root on.
fn pointers(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut open = vec![(String::new(), value)];
    while let Some((at, value)) = open.pop() {
        let inside: Vec<_> = match value {
            Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(n, value)| (n.to_string(), value))
                .collect(),
            _ => continue,
        };
        for (key, value) in inside {
            let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            found.push(at.clone());
            open.push((at, value));
        }
    }
    found
}

/// What a JSON writer would not write.
fn raw(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let plain = [
        b"NaN".as_slice(),
        b"-Infinity",
        b"1e999",
        b"-1e-999",
        b"1e308",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"-0",
        b"0",
        b"1.0000000000000000000000001",
        b"01",
        b"true",
        b"[]",
        b"{}",
        b"[null]",
        b"\"\"",
        b"\".\"",
        b"\"..\"",
        b"\"\\ud800\"",
        b"\"\\udc00\\ud800\"",
        b"\"\xff\xfe\"",
        b"\"\\u0000\"",
        b"\"a\x00b\"",
        b"{\"a\":1,\"a\":null}",
        b"\"9999-12-31T23:59:59.999999999Z\"",
        b"\"0000-01-01T00:00:00Z\"",
        b"\"2026-02-30T00:00:00Z\"",
        b"\"2016-12-31T23:59:60Z\"",
        b"\"2026-01-02T03:04:05.12345678901Z\"",
        b"\"admin\"",
        b"\"system\"",
        b"\"orchestrators\"",
        b"\"e\xcc\x81\"",
        b"\"a\xe2\x80\xaeb\"",
        b"\"work/../..\"",
        b"\"work/a b~^:\"",
        b"\"a:\"",
        b"\"file:///%\"",
        b"\"exp_00000000000000000000000000\"",
    ];
    Ok(match u.int_in_range(0..=9_u8)? {
        0 => nested(*u.choose(&[3, 60, 100, 120, 124, 125, 126, 127, 128, 500, 20_000])?),
        1 => ["1", "0".repeat(400).as_str()].concat().into_bytes(),
        2 => format!("\"{}\"", "a".repeat(usize::from(u.arbitrary::<u16>()?))).into_bytes(),
        _ => u.choose(&plain)?.to_vec(),
    })
}

fn multipart(u: &mut Unstructured<'_>, headers: &mut Vec<(HeaderName, HeaderValue)>) -> Result<Vec<u8>> {
    let kind = *u.choose(&[
        "multipart/form-data; boundary=b",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain",
    ])?;
    header("content-type", kind.as_bytes(), headers);
    let mut body = Vec::new();
    for _ in 0..u.int_in_range(0..=2_u8)? {
        let disposition = *u.choose(&[
            "form-data; name=\"file\"; filename=\"a\"",
            "form-data; name=\"file\"",
            "form-data",
            "form-data; name=\"other\"",
            "form-data; name=\"file\"; filename=\"../../a\"",
            "",
        ])?;
        let kind = *u.choose(&["text/plain; charset=utf-8", "", "a/b\u{1}c", "text/html", "\u{e9}"])?;
        body.extend(format!("--b\r\ncontent-disposition: {disposition}\r\ncontent-type: {kind}\r\n\r\n").bytes());
        let length = *u.choose(&[0_usize, 1, 1000, 64 * 1024, 64 * 1024 + 1, 200_000])?;
        body.resize(body.len() + length, b'x');
        body.extend(b"\r\n");
    }
    let end = [b"--b--\r\n".as_slice(), b"--b--", b"--b", b"", b"--b\r\n\r\n"];
    body.extend(*u.choose(&end)?);
    Ok(body)
}
