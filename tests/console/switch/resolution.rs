//! Bare paths: what they lead to, what old forms are told, and what is no experiment at all.

use switchboard::protocol::*;

use super::{Ask, BOTH, Site, assert_sound, fault, outcome, send, visit};
use crate::browser::Browser;
use crate::console::{Page, until};
use crate::support::register;

const NOBODY: &str = "exp_00000000000000000000000000";

/// Where an answer leads.
fn to(page: &Page) -> String {
    let to = page.header("location").or_else(|| page.header("hx-redirect"));
    to.unwrap_or("nowhere").to_owned()
}

#[tokio::test]
async fn bare_paths_lead_to_the_active_experiment_and_exp_names_one_for_once() {
    let site = Site::with(|setup, alpha| setup.access.default_experiment = Some(alpha.clone())).await;
    let (alpha, beta) = (site.alpha.id.to_string(), site.beta.id.to_string());
    let browser = site.link().await;
    let leads = async |path: &str| {
        let page = browser.get(path).await;
        assert_eq!(page.status, 303, "{path}: {}", page.body);
        to(&page)
    };
    let follow = async |active: &str| {
        for (bare, rest) in [
            ("/", ""),
            ("/admin/tasks/?state=pending", "admin/tasks/?state=pending"),
            ("/admin/tasks/only-in-alpha/", "admin/tasks/only-in-alpha/"),
            ("/admin/tasks/a%2Fb%20c/?x=%C3%A9", "admin/tasks/a%2Fb%20c/?x=%C3%A9"),
            ("/admin/ideas/", "admin/ideas/"),
            (
                "/admin/variants/?status=success&dir=desc",
                "admin/variants/?status=success&dir=desc",
            ),
            ("/admin/events/", "admin/events/"),
            ("/ideator/", "ideator/"),
            ("/evaluator/t-1/?a", "evaluator/t-1/?a"),
        ] {
            assert_eq!(leads(bare).await, format!("/x/{active}/{rest}"), "{bare}");
        }
    };
    follow(&alpha).await;
    assert_eq!(leads(&format!("/?exp={beta}")).await, format!("/x/{beta}/"));
    assert_eq!(
        leads(&format!("/admin/tasks/?state=pending&exp={beta}&page=2")).await,
        format!("/x/{beta}/admin/tasks/?state=pending&page=2")
    );
    // The selection is as it was.
    follow(&alpha).await;
    send(&browser, &format!("/admin/experiments/{beta}/select"), &[], Ask::Plain).await;
    follow(&beta).await;
    assert_eq!(leads(&format!("/?exp={alpha}")).await, format!("/x/{alpha}/"));
    for odd in ["", "..", NOBODY, "exp_%C3%A9", "%3Cb%3E", "exp_0?x=1"] {
        let page = visit(&browser, &format!("/?exp={odd}"), Ask::Plain).await;
        assert_eq!(outcome(&page), "404 no-such-experiment", "{odd}");
        assert!(!page.body.contains("<b>"), "{odd}");
    }
    for ask in BOTH {
        send(&browser, &format!("/admin/experiments/{beta}/select"), &[], ask).await;
        let page = send(&browser, "/admin/experiments/clear-selection", &[], ask).await;
        assert_eq!(to(&page), "/admin/experiments/?selected=cleared");
        follow(&alpha).await;
    }
}

#[tokio::test]
async fn an_id_with_percent_signs_is_read_once() {
    let site = Site::start().await;
    let browser = site.link().await;
    for (id, segment) in [("100%", "100%25"), ("a%2Fb", "a%252Fb"), ("a/b", "a%2Fb")] {
        site.alpha.ideation(id).await;
        until(id, async || {
            let page = visit(
                &browser,
                &format!("/x/{}/admin/tasks/{segment}/", site.alpha.id),
                Ask::Plain,
            )
            .await;
            (page.status == 200 && page.body.contains(id)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_name_leads_to_its_experiment_or_to_a_choice() {
    let site = Site::start().await;
    let admin = &site.world.admin;
    let odd = register(admin, "Ünïcode & <b>/?#%").await;
    let twins = [register(admin, "Twin").await, register(admin, "Twin").await];
    let registry = site.console.live.registry();
    until("all", async || (registry.view().rows.len() == 5).then_some(())).await;
    let browser = site.operator(&site.other).await;
    let at = |name: &str| format!("/x/by-name/{}", switchboard::protocol::percent_encode(name));
    for (name, id) in [("Alpha", &site.alpha.id), ("Ünïcode & <b>/?#%", &odd)] {
        assert_eq!(to(&browser.get(&at(name)).await), format!("/x/{id}/"), "{name}");
    }
    for ask in BOTH {
        let choice = visit(&browser, &at("Twin"), ask).await;
        assert_eq!(outcome(&choice), "300");
        let mut ids = choice.attributes("main a.name", "href");
        ids.sort();
        assert_eq!(ids, twins.each_ref().map(|id| format!("/x/{id}/")));
        for name in ["alpha", "nobody", "%FF"] {
            let page = visit(&browser, &at(name), ask).await;
            assert_eq!(outcome(&page), "404 no-such-name", "{name}");
        }
        assert_eq!(
            outcome(&visit(&browser, "/x/by-name/%FF", ask).await),
            "400 bad-request"
        );
    }
}

/// What an old form is told: where it is sent on to, or what is wrong with it.
async fn told(browser: &Browser, path: &str, id: Option<&str>, is_multipart: bool, ask: Ask) -> String {
    let fields: Vec<_> = [("text", "typed with é")]
        .into_iter()
        .chain(id.map(|id| ("form_experiment_id", id)))
        .collect();
    let page = match (is_multipart, ask) {
        (true, ask) => browser.post_parts(path, &fields, ask == Ask::Htmx).await,
        (false, Ask::Plain) => browser.post(path, &fields).await,
        (false, Ask::Htmx) => browser.swap(path, &fields).await,
    };
    assert_sound(&page, ask, path);
    match fault(&page).as_str() {
        "" => format!("{} {}", page.status, to(&page)),
        key => format!("{} {key}", page.status),
    }
}

#[tokio::test]
async fn old_forms_go_to_the_experiment_they_were_drawn_for_or_nowhere() {
    let site = Site::with(|setup, alpha| setup.access.default_experiment = Some(alpha.clone())).await;
    let (alpha, beta) = (site.alpha.id.as_str(), site.beta.id.as_str());
    let browser = site.operator(&site.other).await;
    let (spaced, with_query) = (format!(" {alpha} "), format!("{alpha}?x=1"));
    for role in ["ideator", "executor", "evaluator"] {
        let path = format!("/{role}/t-1/submit?a=b");
        for is_multipart in [false, true] {
            for ask in BOTH {
                let told = async |id| told(&browser, &path, id, is_multipart, ask).await;
                let own = format!("307 /x/{alpha}/{role}/t-1/submit?a=b");
                for passes in [None, Some(""), Some("  "), Some(alpha), Some(spaced.as_str())] {
                    assert_eq!(told(passes).await, own, "{passes:?}");
                }
                let status = if ask == Ask::Plain { 303 } else { 204 };
                let switched = format!("{status} /x/{alpha}/?error=switched-mid-form&from={beta}&to={alpha}");
                assert_eq!(told(Some(beta)).await, switched);
                for odd in ["..", "exp_1", "exp_é", "<b>", with_query.as_str()] {
                    assert_eq!(told(Some(odd)).await, "400 bad-request", "{odd}");
                }
            }
        }
    }
    // The banner says what became of it, to an operator who is no administrator, in place.
    let page = visit(
        &browser,
        &format!("/x/{alpha}/?error=switched-mid-form&from={beta}&to={alpha}"),
        Ask::Plain,
    )
    .await;
    assert_eq!(outcome(&page), "200 switched-mid-form");
    assert_eq!(page.attributes("[data-fault] .id", "title"), [beta, alpha]);
    assert_eq!(
        site.alpha.admin.tasks().await.expect("tasks").items.len(),
        1,
        "nothing was written"
    );
}

#[tokio::test]
async fn only_what_is_an_experiment_can_be_selected_and_nothing_else_is_asked_about() {
    let site = Site::start().await;
    let browser = site.operator(&site.other).await;
    let alpha = site.alpha.id.to_string();
    send(&browser, &format!("/admin/experiments/{alpha}/select"), &[], Ask::Plain).await;
    for line in [&site.control, &site.store] {
        line.gateway.take_requests();
    }
    for ask in BOTH {
        for (given, wanted) in [
            ("..", "403 not-an-administrator"),
            ("%2E%2E", "403 not-an-administrator"),
            ("%2e%2e%2fx", "404 no-such-experiment"),
            (NOBODY, "404 no-such-experiment"),
            (&format!("{NOBODY}%3Fx=1"), "404 no-such-experiment"),
            (&format!("{alpha}%3Fx=1"), "404 no-such-experiment"),
            (&format!("{alpha}%00"), "404 no-such-experiment"),
            (&alpha.to_uppercase(), "404 no-such-experiment"),
            ("exp_%C3%A9", "404 no-such-experiment"),
            ("%FF", "404 no-such-experiment"),
            (" ", "404 no-such-experiment"),
        ] {
            let path = format!("/admin/experiments/{given}/select").replace(' ', "%20");
            let page = send(&browser, &path, &[], ask).await;
            assert_eq!(outcome(&page), wanted, "{given}");
        }
        assert_eq!(
            to(&browser.get("/").await),
            format!("/x/{alpha}/"),
            "the selection is as it was"
        );
    }
    let asked: Vec<_> = [&site.control, &site.store]
        .iter()
        .flat_map(|line| line.gateway.take_requests())
        .collect();
    let odd = |path: &&String| path.contains('?') && path.contains("x=1") || path.contains("..") || path.contains("%2");
    assert_eq!(asked.iter().find(odd), None, "nobody is asked about what is no id");
}

#[tokio::test]
async fn forms_with_any_letters_are_answered() {
    let site = Site::start().await;
    let browser = site.link().await;
    let id: &ExperimentId = &site.alpha.id;
    for ask in BOTH {
        for (path, field, wanted) in [
            ("/admin/experiments/register".to_owned(), "config_uri", "422"),
            (format!("/admin/experiments/{id}/unregister"), "confirm", "422"),
            (format!("/admin/experiments/{id}/select"), "next", "303"),
            ("/admin/control/workers/".to_owned(), "labels", "422"),
            ("/admin/control/groups/".to_owned(), "members", "422"),
        ] {
            for value in ["ünï ☃ \u{202e}", "\u{0}", "%ff", "<b>"] {
                let form = [(field, value), ("csrf_token", "ünï ☃"), ("name", "\u{e9}")];
                let page = send(&browser, &path, &form, ask).await;
                let wanted = if wanted == "303" && ask == Ask::Htmx {
                    "200"
                } else {
                    wanted
                };
                assert_eq!(outcome(&page), wanted, "{path}: {value:?}: {}", page.body);
                assert!(!page.body.contains("<b>"), "{path}");
            }
        }
    }
    let page = Browser::new(site.console.base())
        .post("/signin", &[("credential", "ünï:☃")])
        .await;
    assert_eq!(page.status, 422);
}

#[tokio::test]
async fn nothing_describes_the_console_to_strangers() {
    let site = Site::start().await;
    let (nobody, somebody) = (Browser::new(site.console.base()), site.operator(&site.other).await);
    for path in ["/docs", "/redoc", "/openapi.json", "/static/style.css"] {
        assert!(to(&nobody.get(path).await).starts_with("/signin"), "{path}");
        assert_eq!(
            outcome(&visit(&somebody, path, Ask::Plain).await),
            "404 no-such-page",
            "{path}"
        );
    }
}
