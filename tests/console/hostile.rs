//! Hostile input: what the backend's decoders refuse, they refuse in the words of the protocol, and nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::Unstructured;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use serde_json::json;
use switchboard::embedded::route_patterns;
use switchboard::protocol::{ErrorType, SeedRequest};

use crate::adversary::archive;
use crate::adversary::request::{Attack, ROUTES};
use crate::adversary::world::{Cast, World};
use crate::support::{CONFIG, kind_of};

/// How many requests are made of pseudo-random bytes. The fuzzer makes many more, of better bytes.
const STRIKES: u64 = 2000;

type Attacking = fn(&mut Unstructured<'_>, &Cast) -> arbitrary::Result<Attack>;

/// The statuses of the answers, each of which is judged as it comes.
async fn strike(attack: Attacking) -> BTreeMap<u16, u32> {
    let mut world = World::start().await;
    let mut statuses = BTreeMap::new();
    for seed in 0..STRIKES {
        let mut bytes = [0; 512];
        StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
        let attack = attack(&mut Unstructured::new(&bytes), &world.cast).expect("enough bytes");
        *statuses.entry(world.strike(attack).await).or_default() += 1;
        if world.is_worn || seed + 1 == STRIKES {
            // What was accepted must be readable by the next process too.
            let memory = world.memory().await;
            let again = world.restart().await;
            assert_eq!(again.memory().await, memory);
            world = World::start().await;
        }
    }
    statuses
}

#[tokio::test]
async fn nearly_right_requests_are_answered_in_the_vocabulary_or_carried_out() {
    let statuses = strike(Attack::new).await;
    for met in [200, 201, 204, 400, 404, 405, 409, 422] {
        assert!(statuses.contains_key(&met), "never {met}: {statuses:?}");
    }
}

#[tokio::test]
async fn nearly_right_checkpoints_are_answered_in_the_vocabulary_or_taken_over() {
    let statuses = strike(archive::import).await;
    for met in [201, 400, 409] {
        assert!(statuses.contains_key(&met), "never {met}: {statuses:?}");
    }
}

#[test]
fn every_route_is_attacked() {
    let table: BTreeSet<String> = route_patterns().map(|(pattern, _)| pattern).collect();
    assert!(table.len() > 50, "{table:?}");
    let attacked = ROUTES.iter().map(|(path, _)| (*path).to_owned()).collect();
    let spared: Vec<_> = table.difference(&attacked).collect();
    assert!(spared.is_empty(), "{spared:?}");
}

#[tokio::test]
async fn a_wrong_method_is_refused_on_every_route() {
    let mut world = World::start().await;
    for (route, methods) in ROUTES {
        let path = route
            .replace(":experiment", &world.cast.experiment)
            .replace("*path", "a")
            .replace(':', "");
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            if methods.contains(&method) || (method == "HEAD" && methods.contains(&"GET")) {
                continue;
            }
            let attack = world.cast.plain(method, &path, "", None);
            assert_eq!(world.strike(attack).await, 405, "{method} {route}");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_no_text_is_not_the_deployments() {
    let mut world = World::start().await;
    for path in ["/workers", "/groups", "/whoami", ""] {
        for (method, body) in [("GET", None), ("POST", Some(json!({})))] {
            let attack = world
                .cast
                .plain(method, &format!("/v0/experiments/%FF{path}"), "", body.as_ref());
            let status = world.strike(attack).await;
            assert!(matches!(status, 400 | 404 | 405), "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn an_entity_that_is_accepted_can_be_read_again_in_every_list() {
    let mut world = World::start().await;
    let base = format!("/v0/experiments/{}/ideas", world.cast.experiment);
    for depth in [1, 10, 60, 100, 120, 124, 125, 126, 127] {
        let mut idea = world.cast.idea(&format!("deep-{depth}"));
        idea["note"] = (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let attack = world.cast.plain("POST", &base, "", Some(&idea));
        let status = world.strike(attack).await;
        assert_eq!(status < 400, depth <= 60, "{depth}: {status}");
        // Reads every list, and fails if one cannot be read.
        world.memory().await;
    }
    let mut idea = world.cast.idea("warner");
    idea["warnings"] = json!(["of its own"]);
    let attack = world.cast.plain("POST", &base, "", Some(&idea));
    assert_eq!(world.strike(attack).await, 200);
}

#[tokio::test]
async fn the_deployments_own_id_is_nobody_elses() {
    let mut world = World::start().await;
    let own = "exp_00000000000000000000000000";
    let body = json!({ "config_uri": "file:///a", "experiment_id": own });
    let attack = world.cast.plain("POST", "/v0/control/experiments", "", Some(&body));
    assert_eq!(world.strike(attack).await, 409);
    let body = json!({ "config": CONFIG });
    let attack = world.cast.plain(
        "POST",
        &format!("/_switchboard/experiments/{own}/seed"),
        "",
        Some(&body),
    );
    assert_eq!(world.strike(attack).await, 404);
}

#[tokio::test]
async fn of_eight_that_seed_at_once_one_seeds() {
    let world = crate::support::World::start().await;
    let id = crate::support::register(&world.admin, "wanted").await;
    let seed = SeedRequest {
        config: CONFIG.to_owned(),
        base_commit_sha: None,
    };
    let seeds = (0..8).map(|_| async { world.admin.control().seed(&id, &seed).await });
    let outcomes = futures_util::future::join_all(seeds).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for outcome in lost {
        assert_eq!(kind_of(outcome), ErrorType::AlreadyExists);
    }
}

/// A small text must not become large work: neither by what it repeats nor by how it nests.
#[tokio::test]
async fn a_configuration_that_explodes_is_refused_at_once() {
    let mut world = World::start().await;
    let path = format!("/_switchboard/experiments/{}/seed", world.cast.unseeded);
    let wide = format!("a: &a [{}]\n", "1,".repeat(200_000));
    let many = format!("{CONFIG}{wide}b: [{}]\n", "*a,".repeat(90));
    let doubling = (1..30).fold("a0: &a0 [x,x,x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9))
    });
    for config in [
        many,
        format!("{CONFIG}{doubling}"),
        "[".repeat(900_000),
        "{a: ".repeat(200_000),
        "- ".repeat(400_000),
    ] {
        let attack = world.cast.plain("POST", &path, "", Some(&json!({ "config": config })));
        let status = world.strike(attack).await;
        assert_eq!(status, 400, "{}", &config[..30]);
    }
}
