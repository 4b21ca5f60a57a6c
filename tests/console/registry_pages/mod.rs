//! The deployment's workers and groups, as an operator sees and changes them: with htmx and without.

mod faults;

use switchboard::client::{Bearer, ClientError, RegistryClient};
use switchboard::protocol::*;

use crate::console::{Console, Page, until};

const WORKERS: &str = "/admin/control/workers/";
const GROUPS: &str = "/admin/control/groups/";
const NOBODY: &str = "wkr_00000000000000000000000000";

/// An operator, with htmx or without.
struct Hand<'a> {
    console: &'a Console,
    cookie: String,
    htmx: bool,
}

impl<'a> Hand<'a> {
    async fn of(console: &'a Console, htmx: bool) -> Self {
        let cookie = console.sign_in().await;
        Self { console, cookie, htmx }
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![("cookie", self.cookie.as_str()), ("sec-fetch-site", "same-origin")];
        if self.htmx {
            headers.extend([
                ("hx-request", "true"),
                ("hx-request-type", "partial"),
                ("hx-target", "main#main"),
                ("hx-current-url", "http://console/admin/control/workers/"),
            ]);
        }
        headers
    }

    async fn get(&self, path: &str) -> Page {
        let page = self.console.get(path, &self.headers()).await;
        assert_eq!(
            page.body.contains("<html"),
            !self.htmx,
            "{path} is as much as was asked for"
        );
        page
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        let page = self.console.post(path, &self.headers(), form).await;
        if page.status != 303 {
            assert_eq!(
                page.body.contains("<html"),
                !self.htmx,
                "{path} is as much as was asked for"
            );
            // The path of a write is no page's: a reload must not lead there.
            assert_eq!(page.header("hx-push-url"), Some("false"), "{path}");
        }
        page
    }

    /// The answer after the redirect, which fetch follows with the same headers.
    async fn posted(&self, path: &str, form: &[(&str, &str)]) -> Page {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        self.get(answer.header("location").expect("a location")).await
    }

    /// Registers a worker; the answer shows its secret.
    async fn register(&self, name: &str, labels: &str) -> (Page, WorkerId, String) {
        let form = self.form(WORKERS, &[("name", name), ("labels", labels)]).await;
        let page = self.post(WORKERS, &as_form(&form)).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let (worker, secret) = credential(&page);
        (page, worker, secret)
    }

    async fn create(&self, name: &str, members: &str) -> GroupId {
        let form = self.form(GROUPS, &[("name", name), ("members", members)]).await;
        let page = self.post(GROUPS, &as_form(&form)).await;
        let location = page
            .header("location")
            .unwrap_or_else(|| panic!("{} {}", page.status, page.body));
        let id = location
            .strip_prefix(GROUPS)
            .and_then(|rest| rest.strip_suffix("/?ok=registered"));
        id.expect("the new group").parse().expect("an id")
    }

    /// A form of the page as it is drawn now, filled in.
    async fn form<'f>(&self, page: &str, fields: &[(&'f str, &'f str)]) -> Vec<(&'f str, String)> {
        let drawn = self.get(page).await;
        let id = drawn.attributes("form [name=request_id]", "value").remove(0);
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned()));
        fields.chain([("request_id", id)]).collect()
    }
}

fn as_form<'f>(form: &'f [(&'f str, String)]) -> Vec<(&'f str, &'f str)> {
    form.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// The secret that a page shows, which it holds once, and whose it is.
fn credential(page: &Page) -> (WorkerId, String) {
    let shown = page
        .texts("#credential")
        .pop()
        .unwrap_or_else(|| panic!("no secret: {}", page.body));
    let (worker, secret) = shown.split_once(':').expect("id and secret");
    assert_eq!(page.body.matches(secret).count(), 1, "the secret is there once");
    assert_eq!(page.texts("#secret"), [secret]);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(
        page.attributes("[data-copy-from]", "data-copy-from")
            .contains(&"credential".to_owned())
    );
    (worker.parse().expect("an id"), secret.to_owned())
}

fn registry(console: &Console) -> RegistryClient {
    console.admin.control().registry()
}

/// Whom the control plane takes the bearer for.
async fn whoami(console: &Console, worker: &WorkerId, secret: &str) -> Result<Whoami, ClientError> {
    let bearer = Bearer::new(Actor::Worker(worker.clone()), secret.into());
    console.admin.control().with_credential(bearer).whoami().await
}

async fn count(console: &Console) -> usize {
    registry(console).workers().await.expect("workers").len()
}

async fn members(console: &Console, group: &GroupId) -> Vec<String> {
    let group = registry(console).read_group(group).await.expect("the group");
    group.members.iter().map(ToString::to_string).collect()
}

fn words(page: &Page) -> String {
    page.texts(".notice, .error, .fault").join(" | ")
}

#[tokio::test]
async fn a_secret_is_shown_once_and_a_form_mints_one_worker() {
    let console = Console::start().await;
    for htmx in [false, true] {
        let hand = Hand::of(&console, htmx).await;
        let before = count(&console).await;
        let form = hand
            .form(WORKERS, &[("name", "Ada"), ("labels", "# who\nteam = blue\nsite=x=y")])
            .await;
        // A browser that would read it compressed gets a secret as it is.
        let headers = [hand.headers(), vec![("accept-encoding", "br, gzip")]].concat();
        let shown = console.post(WORKERS, &headers, &as_form(&form)).await;
        assert_eq!((shown.status, shown.header("content-encoding")), (200, None));
        let (worker, secret) = credential(&shown);
        assert!(shown.body.contains(&format!("{worker}.token")));
        assert_eq!(
            whoami(&console, &worker, &secret).await.expect("good").worker_id,
            worker
        );
        let registered = registry(&console).read_worker(&worker).await.expect("there");
        let labels: Vec<_> = registered
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(labels, ["site=x=y", "team=blue"]);

        let again = hand.post(WORKERS, &as_form(&form)).await;
        assert_eq!((again.status, again.header("cache-control")), (200, Some("no-store")));
        assert_eq!(again.texts("h1"), ["Shown once already"]);
        assert!(again.body.contains(&format!("{WORKERS}{worker}/")) && !again.body.contains(&secret));
        assert_eq!(count(&console).await, before + 1, "one form, one worker");
        for path in [WORKERS.to_owned(), format!("{WORKERS}{worker}/")] {
            let page = hand.get(&path).await;
            assert_eq!(page.status, 200);
            assert!(page.body.contains("Ada") && !page.body.contains(&secret), "{path}");
        }
        // Sent at the same time, as by an impatient hand.
        let form = hand.form(WORKERS, &[("name", "")]).await;
        let form = as_form(&form);
        let answers = futures_util::future::join(hand.post(WORKERS, &form), hand.post(WORKERS, &form)).await;
        let secrets = [&answers.0, &answers.1].map(|page| page.texts("#secret").len());
        assert_eq!(secrets.iter().sum::<usize>(), 1);
        assert_eq!(count(&console).await, before + 2);
    }
    // The second Ada was told of the first.
    let hand = Hand::of(&console, false).await;
    let (third, ..) = hand.register("Ada", "").await;
    assert!(
        words(&third).contains("The name was taken already"),
        "{}",
        words(&third)
    );
    assert_eq!(third.texts(".notice .name"), ["Ada", "Ada"]);
    let (other, ..) = hand.register("Bob", "").await;
    assert!(!words(&other).contains("taken"));
}

#[tokio::test]
async fn one_operators_form_is_not_anothers_and_a_name_may_be_taken_twice() {
    let console = Console::start().await;
    let hand = Hand::of(&console, false).await;
    let before = count(&console).await;
    for form in [
        [("name", "Ada"), ("request_id", "1")],
        [("name", "Ada"), ("request_id", "2")],
    ] {
        assert_eq!(hand.post(WORKERS, &form).await.texts("#secret").len(), 1);
    }
    // Programs that know the older forms give no id.
    for _ in 0..2 {
        assert_eq!(hand.post(WORKERS, &[("name", "Ada")]).await.texts("#secret").len(), 1);
    }
    assert_eq!(count(&console).await, before + 4);
}

#[tokio::test]
async fn workers_are_found() {
    let console = Console::start().await;
    let hand = Hand::of(&console, false).await;
    let (_, zoe, _) = hand.register("zoe", "team=Blue").await;
    let (_, adam, _) = hand.register("Adam", "team=red").await;
    let (_, nameless, _) = hand.register("", "pool=blue").await;
    let group = hand.create("inner", &format!("{zoe}")).await;
    let outer = hand.create("outer", "inner").await;
    let rows = async |query: &str| {
        let page = hand.get(&format!("{WORKERS}{query}")).await;
        assert_eq!(page.status, 200);
        page.attributes("#region-workers tbody tr td:first-child a", "href")
    };
    let path = |id: &WorkerId| format!("{WORKERS}{id}/");
    let all = rows("").await;
    assert_eq!(all.len(), 4, "and the console itself: {all:?}");
    assert_eq!(
        (&all[0], &all[3]),
        (&path(&adam), &path(&nameless)),
        "by name, then those without"
    );
    assert_eq!(rows("?q=BLUE").await, [path(&zoe), path(&nameless)]);
    assert_eq!(rows("?q=zo").await, [path(&zoe)]);
    assert_eq!(
        rows(&format!("?q={}", &nameless.as_str()[10..])).await,
        [path(&nameless)]
    );
    assert_eq!(rows("?name=zoe").await, [path(&zoe)]);
    assert_eq!(rows("?name=Zoe").await, [""; 0], "a name is exact");
    assert_eq!(rows("?name=zoe&q=red").await, [""; 0], "both at once");
    assert_eq!(rows(&format!("?group={outer}")).await, [path(&zoe)]);
    assert_eq!(rows("?per=1&page=2").await.len(), 1);
    let none = hand.get(&format!("{WORKERS}?q=nothing+like+it")).await;
    assert_eq!(none.texts(".empty-what"), ["No worker matches"]);
    let page = hand.get(&format!("{WORKERS}?q=zoe")).await;
    assert_eq!(
        page.texts("tbody td:last-child a"),
        ["inner", "outer"],
        "the nearest first"
    );
    let groups = hand.get(&format!("{GROUPS}?q=INN")).await;
    assert_eq!(
        groups.attributes("tbody td:first-child a", "href"),
        [format!("{GROUPS}{group}/")]
    );
}

#[tokio::test]
async fn what_is_typed_wrong_comes_back_with_the_fault_beside_it() {
    let console = Console::start().await;
    for htmx in [false, true] {
        let hand = Hand::of(&console, htmx).await;
        let before = count(&console).await;
        for (name, labels, field, fault) in [
            (" padded", "a=b", "name", "white space"),
            (&"x".repeat(129), "a=b", "name", "1 to 128"),
            ("admin", "a=b", "name", "reserved"),
            ("good", "a=b\n\n# c\nnonsense", "labels", "Line 4"),
            ("good", "=b", "labels", "Line 1: a key"),
            ("good", "a=1\na=2", "labels", "Line 2: line 1"),
        ] {
            let page = hand
                .post(WORKERS, &[("name", name), ("labels", labels), ("request_id", name)])
                .await;
            assert_eq!(page.status, 422, "{name:?} {labels:?}");
            let said = page.texts(&format!("#{field}-error")).join("");
            assert!(said.contains(fault), "{name:?} {labels:?}: {said}");
            assert_eq!(page.attributes("#name", "value"), [name]);
            assert_eq!(page.texts("#labels"), [labels]);
            assert!(page.attributes("#register", "open").len() == 1, "the form is open");
        }
        for (name, members, field, fault) in [
            ("a\u{7}b", "", "name", "control"),
            ("g", "# fine\nnobody of this name", "members", "Line 2"),
            ("g", "wkr_123", "members", "Line 1"),
        ] {
            let page = hand.post(GROUPS, &[("name", name), ("members", members)]).await;
            let said = page.texts(&format!("#{field}-error")).join("");
            assert!(
                page.status == 422 && said.contains(fault),
                "{name:?} {members:?}: {} {said}",
                page.status
            );
            assert_eq!(page.texts("#members"), [members]);
        }
        assert_eq!(count(&console).await, before);
        assert!(registry(&console).groups().await.expect("groups").is_empty());
    }
}

#[tokio::test]
async fn a_new_secret_ends_the_old_one() {
    let console = Console::start().await;
    for htmx in [false, true] {
        let hand = Hand::of(&console, htmx).await;
        let (_, worker, old) = hand.register("Ada", "").await;
        let path = format!("{WORKERS}{worker}/reissue-credential");
        let refused = hand.post(&path, &[("confirm", "ada"), ("request_id", "a")]).await;
        assert_eq!(refused.status, 422);
        assert!(refused.texts("#confirm-error").join("").contains("Ada"));
        assert!(whoami(&console, &worker, &old).await.is_ok(), "nothing was changed");

        let form = hand.form(&format!("{WORKERS}{worker}/"), &[("confirm", "Ada")]).await;
        let shown = hand.post(&path, &as_form(&form)).await;
        let (of, new) = credential(&shown);
        assert_eq!(of, worker);
        assert!(whoami(&console, &worker, &new).await.is_ok());
        assert_eq!(
            whoami(&console, &worker, &old).await.expect_err("dead").status(),
            Some(401)
        );

        let again = hand.post(&path, &as_form(&form)).await;
        assert_eq!(again.texts("h1"), ["Shown once already"]);
        assert!(
            whoami(&console, &worker, &new).await.is_ok(),
            "it was not replaced again"
        );

        let gone = hand
            .post(
                &format!("{WORKERS}{NOBODY}/reissue-credential"),
                &[("confirm", "000000")],
            )
            .await;
        assert_eq!(gone.header("location"), Some("/admin/control/workers/?error=not-found"));
        assert!(words(&hand.get("/admin/control/workers/?error=not-found").await).contains("no such worker"));
    }
    // The console's own: it notices, and gets along.
    let hand = Hand::of(&console, false).await;
    let own = registry(&console)
        .workers_named("switchboard")
        .await
        .expect("workers")
        .remove(0)
        .worker_id;
    let page = hand.get(&format!("{WORKERS}{own}/")).await;
    assert!(words(&page).contains("This is the console itself"));
    let path = format!("{WORKERS}{own}/reissue-credential");
    credential(&hand.post(&path, &[("confirm", "switchboard")]).await);
    let entry = crate::support::register(&console.admin, "after").await;
    until("the new experiment", async || {
        console.live.registry().view().rows.contains_key(&entry).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let console = Console::start().await;
    let hand = Hand::of(&console, false).await;
    let nothing = "grp_00000000000000000000000000";
    for path in [
        format!("{WORKERS}{NOBODY}/"),
        format!("{WORKERS}nonsense/"),
        format!("{WORKERS}..%2f..%2fexperiments/"),
        format!("{WORKERS}{nothing}/"),
        format!("{GROUPS}{nothing}/"),
        format!("{GROUPS}{NOBODY}/"),
    ] {
        let page = hand.get(&path).await;
        assert_eq!(
            (page.status, page.attributes(".fault", "data-fault")),
            (404, vec!["no-such-entity".to_owned()]),
            "{path}"
        );
    }
    let post = async |path: String, form: &[(&str, &str)]| {
        let page = console.post(&path, &hand.headers(), form).await;
        (page.status, page.header("location").map(str::to_owned))
    };
    let to_list = (303, Some(format!("{GROUPS}?error=group-not-found")));
    assert_eq!(
        post(format!("{GROUPS}{nothing}/members"), &[("member_id", NOBODY)]).await,
        to_list
    );
    assert_eq!(
        post(format!("{GROUPS}{nothing}/members/{NOBODY}/remove"), &[]).await,
        to_list
    );
    assert_eq!(
        post(format!("{GROUPS}{nothing}/delete"), &[("confirm", "000000")]).await,
        to_list
    );
    for path in [
        format!("{WORKERS}nonsense/reissue-credential"),
        format!("{GROUPS}nonsense/members"),
        format!("{GROUPS}nonsense/delete"),
        format!("{GROUPS}{nothing}/members/nonsense/remove"),
    ] {
        assert_eq!(post(path.clone(), &[]).await, (404, None), "{path}");
    }
    let cross = [("cookie", hand.cookie.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(console.post(WORKERS, &cross, &[]).await.status, 403);
    assert_eq!(
        console.get(WORKERS, &[]).await.header("location"),
        Some("/signin?next=%2Fadmin%2Fcontrol%2Fworkers%2F")
    );
}

#[tokio::test]
async fn members_come_and_go() {
    let console = Console::start().await;
    for htmx in [false, true] {
        let hand = Hand::of(&console, htmx).await;
        let [ada, bob, twin] = [format!("ada-{htmx}"), format!("bob-{htmx}"), format!("twin-{htmx}")];
        let (_, a, _) = hand.register(&ada, "").await;
        let (_, b, _) = hand.register(&bob, "").await;
        for _ in 0..2 {
            hand.register(&twin, "").await;
        }
        let inner = hand
            .create(&format!("inner-{htmx}"), &format!("# one\n{ada}\n{a}"))
            .await;
        assert_eq!(
            members(&console, &inner).await,
            [a.to_string()],
            "a name and its id are one member"
        );
        let outer = hand.create("", "").await;
        let page = format!("{GROUPS}{outer}/");
        let add = async |member: &str| {
            let form = hand.form(&page, &[("member_id", member)]).await;
            hand.post(&format!("{page}members"), &as_form(&form)).await
        };
        assert_eq!(
            add(inner.as_str()).await.header("location"),
            Some(format!("{page}?ok=added").as_str())
        );
        assert_eq!(add(&format!(" {bob} ")).await.status, 303, "by name");
        assert_eq!(add(b.as_str()).await.status, 303, "twice is once");
        assert_eq!(
            add(NOBODY).await.header("location"),
            Some(format!("{page}?warn=added-dangling").as_str())
        );
        assert_eq!(
            members(&console, &outer).await,
            [inner.to_string(), b.to_string(), NOBODY.to_owned()]
        );
        for (member, fault) in [
            (twin.as_str(), "2 workers and groups have this name"),
            ("nobody at all", "by its id"),
            (outer.as_str(), "would contain itself"),
        ] {
            let page = add(member).await;
            let said = page.texts("#member_id-error").join("");
            assert!(
                page.status == 422 && said.contains(fault),
                "{member}: {} {said}",
                page.status
            );
            assert_eq!(page.attributes("#member_id", "value"), [member]);
        }
        let round = hand
            .post(&format!("{GROUPS}{inner}/members"), &[("member_id", outer.as_str())])
            .await;
        assert!(round.status == 422 && words(&round).contains("would contain itself"));

        let drawn = hand.get(&page).await;
        assert_eq!(drawn.texts("button[form=remove]").len(), 3);
        let offered = drawn.attributes("#candidates option", "value");
        assert!(offered.contains(&a.to_string()) && !offered.contains(&outer.to_string()));
        let ways: Vec<_> = drawn.texts("tr[id^=row-in-] td:last-child");
        assert_eq!(ways, ["directly".to_owned(), format!("inner-{htmx}")]);
        assert!(
            drawn.texts(".outcome li").iter().any(|li| li.starts_with("wkr_00")),
            "what leads nowhere is told apart"
        );

        let remove = format!("{page}members/{NOBODY}/remove");
        for _ in 0..2 {
            let after = hand.posted(&remove, &[]).await;
            assert!(words(&after).contains("taken out"));
        }
        assert_eq!(members(&console, &outer).await, [inner.to_string(), b.to_string()]);
        // A form that comes late, after the member was added again, is the one that was carried out before.
        let form = hand.form(&page, &[]).await;
        let remove = format!("{page}members/{b}/remove");
        hand.posted(&remove, &as_form(&form)).await;
        assert_eq!(add(b.as_str()).await.status, 303);
        hand.posted(&remove, &as_form(&form)).await;
        assert_eq!(members(&console, &outer).await, [inner.to_string(), b.to_string()]);

        let delete = format!("{page}delete");
        let unsure = hand.post(&delete, &[("confirm", "yes")]).await;
        assert_eq!((unsure.status, unsure.texts("#confirm-error").len()), (422, 1));
        let end = &outer.as_str()[24..];
        let after = hand.posted(&delete, &[("confirm", end), ("request_id", "d")]).await;
        assert!(words(&after).contains("The group was deleted"));
        let after = hand.posted(&delete, &[("confirm", end), ("request_id", "d")]).await;
        assert!(
            words(&after).contains("The group was deleted"),
            "the same form, the same answer"
        );
        assert!(registry(&console).read_group(&outer).await.is_err());
        assert!(registry(&console).read_group(&inner).await.is_ok());
    }
}

#[tokio::test]
async fn names_that_carry_authority_are_taken_once_and_given_up_with_stronger_words() {
    let console = Console::start().await;
    let hand = Hand::of(&console, false).await;
    let page = hand.get(GROUPS).await;
    assert_eq!(page.body.matches("There is no such group yet").count(), 2);
    let admins = hand.create("admins", "").await;
    let page = hand.get(GROUPS).await;
    assert_eq!(page.body.matches("There is no such group yet").count(), 1);
    let again = hand.post(GROUPS, &[("name", "admins")]).await;
    assert_eq!(again.status, 422);
    assert!(again.texts("#name-error").join("").contains("can be only one"));
    let page = hand.get(&format!("{GROUPS}{admins}/")).await;
    assert!(
        words(&page).contains("nobody administers the deployment"),
        "{}",
        words(&page)
    );
    let after = hand
        .posted(&format!("{GROUPS}{admins}/delete"), &[("confirm", "admins")])
        .await;
    assert!(words(&after).contains("deleted"));
    hand.create("admins", "").await;
}

#[tokio::test]
async fn pages_are_told_when_others_change_the_registry() {
    let console = Console::start().await;
    let revision = || console.live.registry().view().revision;
    until("the registry", async || {
        console.live.registry().view().listed.then_some(())
    })
    .await;
    let before = revision();
    let request = RegisterGroup::default();
    let group = registry(&console).register_group(&request).await.expect("a group");
    until("a change", async || (revision() > before).then_some(())).await;
    let before = revision();
    registry(&console).delete_group(&group.group_id).await.expect("deleted");
    until("a change", async || (revision() > before).then_some(())).await;
}

#[tokio::test]
async fn without_the_token_or_a_control_plane_the_pages_say_so() {
    let console = Console::start_with(|access| access.control_admin_token = None).await;
    for htmx in [false, true] {
        let hand = Hand::of(&console, htmx).await;
        for path in [WORKERS.to_owned(), GROUPS.to_owned(), format!("{WORKERS}{NOBODY}/")] {
            let page = hand.get(&path).await;
            assert_eq!(page.status, 200);
            assert!(
                words(&page).contains("to the admin token only"),
                "{path}: {}",
                words(&page)
            );
            assert_eq!(
                page.attributes("main form, main table, .empty", "class"),
                [""; 0],
                "{path}"
            );
        }
        for (path, form) in [(WORKERS, [("name", "a")]), (GROUPS, [("name", "a")])] {
            let page = hand.post(path, &form).await;
            assert_eq!(page.status, 409);
            assert!(words(&page).contains("Nothing was changed."), "{}", words(&page));
        }
        let path = format!("{WORKERS}{NOBODY}/reissue-credential");
        assert_eq!(hand.post(&path, &[("confirm", "000000")]).await.status, 409);
    }
    let alone = Console::start_with(|access| access.control_plane = None).await;
    let hand = Hand::of(&alone, false).await;
    for path in [WORKERS, GROUPS] {
        let page = hand.get(path).await;
        assert_eq!(
            (page.status, page.attributes(".fault", "data-fault")),
            (404, vec!["no-control-plane".to_owned()])
        );
        assert!(
            !page
                .attributes("#rail a", "href")
                .iter()
                .any(|href| href.contains("/control/"))
        );
    }
    let hand = Hand::of(&console, false).await;
    assert!(
        hand.get(GROUPS)
            .await
            .attributes("#rail a", "href")
            .contains(&WORKERS.to_owned())
    );
}
