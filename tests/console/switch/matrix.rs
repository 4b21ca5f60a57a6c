//! What every page says while a server is not what it should be, and that all is well again once it is.

use futures_util::future::join_all;
use switchboard::live::{Freshness, UnavailabilityKind};

use super::table::Table;
use super::{Ask, BOTH, How, Line, Site, fault, follows, visit, words};
use crate::browser::Browser;
use crate::console::{Console, Page, until};
use crate::gateway::Fault;

/// With what the console comes to know. Before it asks again it knows only that its connection broke.
const WAYS: [(&str, How, UnavailabilityKind); 8] = [
    ("is not there", How::Cut, UnavailabilityKind::Unreachable),
    ("falls silent", How::Mute, UnavailabilityKind::Unreachable),
    (
        "refuses the credential",
        How::Says(Fault::Problem(401, "unauthorized")),
        UnavailabilityKind::NoCredential,
    ),
    (
        "forbids",
        How::Says(Fault::Problem(403, "forbidden")),
        UnavailabilityKind::Refused,
    ),
    (
        "fails",
        How::Says(Fault::Problem(500, "internal")),
        UnavailabilityKind::Failing,
    ),
    (
        "is hidden by a proxy",
        How::Says(Fault::Page(502)),
        UnavailabilityKind::Failing,
    ),
    ("talks nonsense", How::Says(Fault::Garbage), UnavailabilityKind::Refused),
    ("hangs up", How::Says(Fault::Drop), UnavailabilityKind::Unreachable),
];

/// What is told while the task store misbehaves, to whoever came by a link, a member of `admins`, and another operator.
const TASK_STORE: &str = "
                                               link   member other
is not there: /                                stale  stale  stale
is not there: /ideator/                        nopage nopage nopage
is not there: /x/default/admin/tasks/          stale  stale  admin
is not there: /x/other/                        TSdown TSdown TSdown
is not there: /x/other/admin/tasks/            TSdown TSdown admin
is not there: /x/unknown/                      noexp  noexp  noexp
is not there: /admin/experiments/              ok     ok     admin
is not there: /admin/control/workers/          ok     ok     admin
falls silent: /                                stale  stale  stale
falls silent: /ideator/                        nopage nopage nopage
falls silent: /x/default/admin/tasks/          stale  stale  admin
falls silent: /x/other/                        TSdown TSdown TSdown
falls silent: /x/other/admin/tasks/            TSdown TSdown admin
falls silent: /x/unknown/                      noexp  noexp  noexp
falls silent: /admin/experiments/              ok     ok     admin
falls silent: /admin/control/workers/          ok     ok     admin
refuses the credential: /                      stale  stale  stale
refuses the credential: /ideator/              nopage nopage nopage
refuses the credential: /x/default/admin/tasks/ stale  stale  admin
refuses the credential: /x/other/              nocred nocred nocred
refuses the credential: /x/other/admin/tasks/  nocred nocred admin
refuses the credential: /x/unknown/            noexp  noexp  noexp
refuses the credential: /admin/experiments/    ok     ok     admin
refuses the credential: /admin/control/workers/ ok     ok     admin
forbids: /                                     stale  stale  stale
forbids: /ideator/                             nopage nopage nopage
forbids: /x/default/admin/tasks/               stale  stale  admin
forbids: /x/other/                             TSodd  TSodd  TSodd
forbids: /x/other/admin/tasks/                 TSodd  TSodd  admin
forbids: /x/unknown/                           noexp  noexp  noexp
forbids: /admin/experiments/                   ok     ok     admin
forbids: /admin/control/workers/               ok     ok     admin
fails: /                                       stale  stale  stale
fails: /ideator/                               nopage nopage nopage
fails: /x/default/admin/tasks/                 stale  stale  admin
fails: /x/other/                               TSdown TSdown TSdown
fails: /x/other/admin/tasks/                   TSdown TSdown admin
fails: /x/unknown/                             noexp  noexp  noexp
fails: /admin/experiments/                     ok     ok     admin
fails: /admin/control/workers/                 ok     ok     admin
is hidden by a proxy: /                        stale  stale  stale
is hidden by a proxy: /ideator/                nopage nopage nopage
is hidden by a proxy: /x/default/admin/tasks/  stale  stale  admin
is hidden by a proxy: /x/other/                TSdown TSdown TSdown
is hidden by a proxy: /x/other/admin/tasks/    TSdown TSdown admin
is hidden by a proxy: /x/unknown/              noexp  noexp  noexp
is hidden by a proxy: /admin/experiments/      ok     ok     admin
is hidden by a proxy: /admin/control/workers/  ok     ok     admin
talks nonsense: /                              stale  stale  stale
talks nonsense: /ideator/                      nopage nopage nopage
talks nonsense: /x/default/admin/tasks/        stale  stale  admin
talks nonsense: /x/other/                      TSodd  TSodd  TSodd
talks nonsense: /x/other/admin/tasks/          TSodd  TSodd  admin
talks nonsense: /x/unknown/                    noexp  noexp  noexp
talks nonsense: /admin/experiments/            ok     ok     admin
talks nonsense: /admin/control/workers/        ok     ok     admin
hangs up: /                                    stale  stale  stale
hangs up: /ideator/                            nopage nopage nopage
hangs up: /x/default/admin/tasks/              stale  stale  admin
hangs up: /x/other/                            TSdown TSdown TSdown
hangs up: /x/other/admin/tasks/                TSdown TSdown admin
hangs up: /x/unknown/                          noexp  noexp  noexp
hangs up: /admin/experiments/                  ok     ok     admin
hangs up: /admin/control/workers/              ok     ok     admin
";

/// The same while the control plane does.
const CONTROL_PLANE: &str = "
                                               link   member other
is not there: /                                doubt  doubt  doubt
is not there: /ideator/                        nopage nopage nopage
is not there: /x/default/admin/tasks/          doubt  role?  role?
is not there: /x/other/                        doubt  doubt  doubt
is not there: /x/other/admin/tasks/            doubt  role?  role?
is not there: /x/unknown/                      CPdown CPdown CPdown
is not there: /admin/experiments/              stale  role?  role?
is not there: /admin/control/workers/          CPdown role?  role?
falls silent: /                                doubt  doubt  doubt
falls silent: /ideator/                        nopage nopage nopage
falls silent: /x/default/admin/tasks/          doubt  role?  role?
falls silent: /x/other/                        doubt  doubt  doubt
falls silent: /x/other/admin/tasks/            doubt  role?  role?
falls silent: /x/unknown/                      CPdown CPdown CPdown
falls silent: /admin/experiments/              stale  role?  role?
falls silent: /admin/control/workers/          CPdown role?  role?
refuses the credential: /                      doubt  doubt  doubt
refuses the credential: /ideator/              nopage nopage nopage
refuses the credential: /x/default/admin/tasks/ doubt  role?  role?
refuses the credential: /x/other/              doubt  doubt  doubt
refuses the credential: /x/other/admin/tasks/  doubt  role?  role?
refuses the credential: /x/unknown/            CP?    CP?    CP?
refuses the credential: /admin/experiments/    stale  role?  role?
refuses the credential: /admin/control/workers/ CP?    role?  role?
forbids: /                                     doubt  doubt  doubt
forbids: /ideator/                             nopage nopage nopage
forbids: /x/default/admin/tasks/               doubt  role!  role!
forbids: /x/other/                             doubt  doubt  doubt
forbids: /x/other/admin/tasks/                 doubt  role!  role!
forbids: /x/unknown/                           CPodd  CPodd  CPodd
forbids: /admin/experiments/                   stale  role!  role!
forbids: /admin/control/workers/               CPodd  role!  role!
fails: /                                       doubt  doubt  doubt
fails: /ideator/                               nopage nopage nopage
fails: /x/default/admin/tasks/                 doubt  role?  role?
fails: /x/other/                               doubt  doubt  doubt
fails: /x/other/admin/tasks/                   doubt  role?  role?
fails: /x/unknown/                             CPdown CPdown CPdown
fails: /admin/experiments/                     stale  role?  role?
fails: /admin/control/workers/                 CPdown role?  role?
is hidden by a proxy: /                        doubt  doubt  doubt
is hidden by a proxy: /ideator/                nopage nopage nopage
is hidden by a proxy: /x/default/admin/tasks/  doubt  role?  role?
is hidden by a proxy: /x/other/                doubt  doubt  doubt
is hidden by a proxy: /x/other/admin/tasks/    doubt  role?  role?
is hidden by a proxy: /x/unknown/              CPdown CPdown CPdown
is hidden by a proxy: /admin/experiments/      stale  role?  role?
is hidden by a proxy: /admin/control/workers/  CPdown role?  role?
talks nonsense: /                              doubt  doubt  doubt
talks nonsense: /ideator/                      nopage nopage nopage
talks nonsense: /x/default/admin/tasks/        doubt  role!  role!
talks nonsense: /x/other/                      doubt  doubt  doubt
talks nonsense: /x/other/admin/tasks/          doubt  role!  role!
talks nonsense: /x/unknown/                    CPodd  CPodd  CPodd
talks nonsense: /admin/experiments/            stale  role!  role!
talks nonsense: /admin/control/workers/        CPodd  role!  role!
hangs up: /                                    doubt  doubt  doubt
hangs up: /ideator/                            nopage nopage nopage
hangs up: /x/default/admin/tasks/              doubt  role?  role?
hangs up: /x/other/                            doubt  doubt  doubt
hangs up: /x/other/admin/tasks/                doubt  role?  role?
hangs up: /x/unknown/                          CPdown CPdown CPdown
hangs up: /admin/experiments/                  stale  role?  role?
hangs up: /admin/control/workers/              CPdown role?  role?
";

/// A console that knows the default experiment and has never looked at the other, and its operators.
struct Watch {
    console: Console,
    operators: [Browser; 3],
}

impl Watch {
    async fn begin(site: &Site) -> Self {
        let console = site
            .another(|setup| setup.access.default_experiment = Some(site.alpha.id.clone()))
            .await;
        follows(&console, &site.alpha.id).await;
        let operators = [
            Browser::by_link(console.base(), &console.sign_in_link()).await,
            Browser::signed_in(console.base(), &site.member).await,
            Browser::signed_in(console.base(), &site.other).await,
        ];
        Self { console, operators }
    }

    /// The same act by everybody, with htmx and without, all at the same time: by operator, the answers as in [`BOTH`].
    async fn look(&self, path: &str) -> Vec<Vec<Page>> {
        let by_all = self
            .operators
            .iter()
            .map(|browser| join_all(BOTH.map(|ask| visit(browser, path, ask))));
        join_all(by_all).await
    }

    fn note(table: &mut Table, row: &str, pages: &[Vec<Page>]) {
        for (column, answers) in pages.iter().enumerate() {
            for (ask, page) in BOTH.into_iter().zip(answers) {
                table.note(row, column, ask, page);
                let (key, said) = (fault(page), words(page));
                if let Some((_, sentence)) = SENTENCES.iter().find(|(it, _)| *it == key) {
                    assert!(
                        sentence.iter().any(|words| said.contains(words)),
                        "{row}: {key}: {said}"
                    );
                } else {
                    assert!(key.is_empty(), "say what {key} is told in: {said}");
                }
            }
        }
    }

    async fn look_around(&self, site: &Site, table: &mut Table, way: &str) {
        let (alpha, beta) = (&site.alpha.id, &site.beta.id);
        let nobody = "exp_00000000000000000000000000";
        let rows = [
            ("/", "/".to_owned()),
            ("/ideator/", "/ideator/".to_owned()),
            ("/x/default/admin/tasks/", format!("/x/{alpha}/admin/tasks/")),
            ("/x/other/", format!("/x/{beta}/")),
            ("/x/other/admin/tasks/", format!("/x/{beta}/admin/tasks/")),
            ("/x/unknown/", format!("/x/{nobody}/")),
            ("/admin/experiments/", "/admin/experiments/".to_owned()),
            ("/admin/control/workers/", "/admin/control/workers/".to_owned()),
        ];
        // Side by side, so that what a silent server is waited for is waited for once.
        let pages = join_all(rows.iter().map(|(_, path)| self.look(path))).await;
        for ((name, _), pages) in rows.iter().zip(pages) {
            Self::note(table, &format!("{way}: {name}"), &pages);
        }
    }

    /// All is as if nothing had been, for everybody, and nobody restarted anything.
    async fn recovers(&self, site: &Site, way: &str) {
        let [link, member, other] = &self.operators;
        for path in [
            "/".to_owned(),
            format!("/x/{}/admin/tasks/", site.alpha.id),
            format!("/x/{}/", site.beta.id),
            "/admin/experiments/".to_owned(),
            "/admin/control/workers/".to_owned(),
        ] {
            for browser in [link, member] {
                until(&format!("{way}: {path}"), async || {
                    let page = visit(browser, &path, Ask::Plain).await;
                    let is_live = page.attributes("#freshness", "data-freshness") == ["live"];
                    (page.status == 200 && is_live && fault(&page).is_empty()).then_some(())
                })
                .await;
            }
        }
        assert_eq!(visit(other, "/", Ask::Plain).await.status, 200, "{way}");
    }
}

/// What a fault is told in: one of these.
const SENTENCES: &[(&str, &[&str])] = &[
    ("not-an-administrator", &["not in this deployment's group admins"]),
    ("role-unknown", &["they cannot be looked up: the control plane"]),
    ("no-such-page", &["leads nowhere"]),
    (
        "task-store-unreachable",
        &["the task store does not answer", "the task store fails with status"],
    ),
    (
        "task-store-refused",
        &["the task store does not let the console", "does not understand"],
    ),
    ("cannot-bootstrap-credential", &["refuses the admin token"]),
    (
        "control-plane-unreachable",
        &[
            "he control plane does not answer",
            "he control plane fails with status",
            "did not answer in time",
        ],
    ),
    (
        "control-plane-refused",
        &["he control plane does not let the console", "does not understand"],
    ),
    (
        "control-plane-credential",
        &[
            "he control plane refuses the console's admin token",
            "refuses the admin token",
        ],
    ),
    ("no-such-experiment", &["No experiment with the id exp_0"]),
];

async fn walk(
    site: &Site,
    line: &Line,
    wanted: &'static str,
    is_down: impl AsyncFn(&Watch, UnavailabilityKind) -> bool,
) {
    let mut table = Table::like(wanted, 1);
    for (way, how, kind) in WAYS {
        let watch = Watch::begin(site).await;
        let attempts = line.proxy.attempts();
        line.fail(how);
        let is_known = async || (line.proxy.attempts() > attempts && is_down(&watch, kind).await).then_some(());
        until(way, is_known).await;
        watch.look_around(site, &mut table, way).await;
        line.heal();
        watch.recovers(site, way).await;
    }
    table.check();
}

#[tokio::test]
async fn every_fault_of_the_task_store_is_told_and_gets_over() {
    let site = Site::start().await;
    let is_down = async |watch: &Watch, _| {
        let is_stale = |id| watch.console.live.mirror(id).view().freshness.word() == "stale";
        is_stale(&site.alpha.id) && {
            // Looked at for the first time, it is waited for a little, and then it is known.
            let page = visit(&watch.operators[0], &format!("/x/{}/", site.beta.id), Ask::Plain).await;
            assert_eq!(page.status / 100, 5, "{}", page.body);
            is_stale(&site.beta.id)
        }
    };
    walk(&site, &site.store, TASK_STORE, is_down).await;
}

#[tokio::test]
async fn every_fault_of_the_control_plane_is_told_and_gets_over() {
    let site = Site::start().await;
    let is_down = async |watch: &Watch, kind| {
        let view = watch.console.live.registry().view();
        matches!(&view.freshness, Freshness::Stale { cause, .. } if cause.kind == kind)
    };
    walk(&site, &site.control, CONTROL_PLANE, is_down).await;
}

/// Whoever waits for a server that says nothing keeps nobody else waiting.
#[tokio::test]
async fn a_silent_server_holds_up_only_those_who_ask_for_it() {
    let site = Site::start().await;
    let watch = Watch::begin(&site).await;
    let [link, _, other] = &watch.operators;
    site.control.fail(How::Mute);
    site.store.fail(How::Mute);
    let waiting = async {
        let (workers, unknown) = ("/admin/control/workers/", format!("/x/{}/", site.beta.id));
        futures_util::future::join(visit(link, workers, Ask::Plain), visit(link, &unknown, Ask::Plain)).await
    };
    let others = async {
        let nobody = Browser::new(watch.console.base());
        for _ in 0..5 {
            assert_eq!(nobody.get("/healthz").await.body, "ok\n");
            assert_eq!(nobody.get("/signin").await.status, 200);
            assert_eq!(
                visit(other, &format!("/x/{}/", site.alpha.id), Ask::Plain).await.status,
                200
            );
        }
    };
    tokio::pin!(waiting, others);
    tokio::select! {
        _ = &mut waiting => panic!("the servers say nothing, and those who ask for them have answers first"),
        () = &mut others => {}
    }
    let (workers, unknown) = waiting.await;
    assert_eq!((workers.status, unknown.status), (503, 503));
}
