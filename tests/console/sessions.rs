//! In by a credential, and out for good.

use std::time::Duration;

use crate::console::{Console, Page, cookie_of, until};
use crate::roles::{credential, worker};

const HERE: (&str, &str) = ("sec-fetch-site", "same-origin");
const HOME: &str = "/admin/experiments/";
const HOUR: Duration = Duration::from_secs(3600);

async fn status(console: &Console, cookie: &str) -> u16 {
    console.get(HOME, &[("cookie", cookie)]).await.status
}

/// Whether an answer keeps a secret, in its headers too.
fn assert_secret_kept(page: &Page, secret: &str) {
    let headers = format!("{:?}", page.headers);
    assert!(
        !page.body.contains(secret) && !headers.contains(secret),
        "{headers}\n{}",
        page.body
    );
}

#[tokio::test]
async fn a_worker_signs_in_by_its_credential() {
    let console = Console::start().await;
    let (id, good) = worker(&console.admin.control(), "Ada").await;
    let secret = good.split_once(':').expect("a credential").1.to_owned();
    let page = console.present(&good, "/admin/control/workers/?q=a").await;
    assert_eq!(
        (page.status, page.header("location")),
        (303, Some("/admin/control/workers/?q=a"))
    );
    assert_secret_kept(&page, &secret);
    let set = page.header("set-cookie").expect("a cookie");
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Lax") && !set.contains("Secure"),
        "{set}"
    );
    assert!(!set.contains(id.as_str()), "the session can be read: {set}");
    let cookie = cookie_of(&page).expect("a cookie");
    let page = console.get(HOME, &[("cookie", &cookie)]).await;
    assert_eq!(page.texts("#operator strong"), ["Ada"]);
    assert_secret_kept(&page, &secret);
    assert_eq!(
        console
            .present(&good, "https://elsewhere.example/")
            .await
            .header("location"),
        Some("/")
    );
    // A credential has no place in an address.
    let page = console.get(&format!("/signin?credential={good}"), &[]).await;
    assert_eq!((page.status, page.header("set-cookie")), (200, None));
    assert_secret_kept(&page, &secret);
}

#[tokio::test]
async fn each_way_to_fail_has_its_words_and_keeps_where_one_was_going() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let (id, good) = worker(&console.admin.control(), "Ada").await;
    let fails = async |credential: &str, wanted: u16, words: &str| {
        let page = console.present(credential, "/x/?a=b").await;
        assert_eq!(page.status, wanted, "{}", page.body);
        assert!(page.texts("main").concat().contains(words), "{}", page.body);
        assert!(page.header("set-cookie").is_none());
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let next = page.attributes("input[name=next]", "value");
        assert!(
            next.iter().all(|next| next == "/x/?a=b") && !next.is_empty(),
            "{next:?}"
        );
        assert_eq!(page.attributes("input[name=credential]", "value"), [""]);
        assert_eq!(page.attributes("input[name=credential]", "type"), ["password"]);
        let secret = credential.split_once(':').map_or(credential, |(_, secret)| secret);
        assert!(secret.is_empty() || !page.body.contains(secret), "{}", page.body);
        page
    };
    fails("", 422, "not a credential").await;
    fails("open sesame", 422, "not a credential").await;
    fails("admin:a-canary", 422, "not a credential").await;
    fails(&format!("{id}:a-canary\u{7}"), 422, "not a credential").await;
    fails(&format!("{id}:a-canary"), 401, "does not know this credential").await;
    fails(
        "wkr_00000000000000000000000000:a-canary",
        401,
        "does not know this credential",
    )
    .await;
    proxy.cut();
    fails(&good, 503, "does not answer").await;
    proxy.heal();
    console.sign_in_as(&good).await;

    for _ in 0..10 {
        fails(&format!("{id}:a-canary"), 401, "does not know this credential").await;
    }
    proxy.take_requests();
    let limited = fails(&good, 429, "Too many wrong credentials").await;
    let wait: u64 = limited
        .header("retry-after")
        .expect("how long")
        .parse()
        .expect("seconds");
    assert!(wait > 500, "{wait}");
    let asked = proxy.take_requests();
    assert!(
        asked.iter().all(|request| !request.target.ends_with("/whoami")),
        "{asked:#?}"
    );
    console.clock.advance(Duration::from_secs(wait));
    console.sign_in_as(&good).await;
}

#[tokio::test]
async fn where_no_link_lets_anybody_in_none_is_spoken_of() {
    let whole = Console::start().await;
    let console = whole.beside(|setup| setup.sign_in_links = false).await;
    let page = console.get("/signin?next=%2Fadmin%2F", &[]).await;
    let words = page.texts("main").concat();
    assert!(!words.contains("link") && !words.contains("USR1"), "{words}");
    assert!(page.attributes("input[name=token]", "name").is_empty());
    assert_eq!(console.get("/signin?token=0123", &[]).await.status, 200);
    assert_eq!(console.post("/signin", &[], &[("token", "0123")]).await.status, 422);
    let by_link = whole.sign_in().await;
    assert_eq!(
        (status(&whole, &by_link).await, status(&console, &by_link).await),
        (200, 303)
    );
    let (_, good) = worker(&whole.admin.control(), "Ada").await;
    let cookie = console.sign_in_as(&good).await;
    assert_eq!(
        (status(&whole, &cookie).await, status(&console, &cookie).await),
        (403, 403)
    );
}

#[tokio::test]
async fn signing_out_ends_every_copy_everywhere() {
    let console = Console::start().await;
    let replica = console.beside(|_| ()).await;
    let (cookie, other) = (console.sign_in().await, console.sign_in().await);
    let mut stream = console.stream("/live", &cookie).await;
    assert_eq!(
        (status(&console, &cookie).await, status(&replica, &cookie).await),
        (200, 200)
    );

    let away = console.post("/signout", &[("cookie", &cookie)], &[]).await;
    assert_eq!(away.status, 403, "another site cannot");
    assert_eq!(status(&console, &cookie).await, 200);
    let out = console.post("/signout", &[("cookie", &cookie), HERE], &[]).await;
    assert_eq!((out.status, out.header("location")), (303, Some("/signin")));
    assert_eq!(status(&console, &cookie).await, 303);
    // Its stream ends at the next beat.
    let end = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(20), end)
        .await
        .expect("the stream ends");
    // What another replica ended is believed for a second at most.
    console.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&replica, &cookie).await, 303);
    let restarted = console.beside(|_| ()).await;
    assert_eq!(status(&restarted, &cookie).await, 303);
    for console in [&console, &replica, &restarted] {
        assert_eq!(status(console, &other).await, 200, "another session is another");
    }
    assert_eq!(
        console.post("/signout", &[("cookie", &cookie), HERE], &[]).await.status,
        303
    );
}

#[tokio::test]
async fn a_session_ends_when_nothing_is_done_in_it_and_after_half_a_day_at_last() {
    let console = Console::start().await;
    let idle = console.sign_in().await;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    console.clock.advance(minutes(119));
    // What a page asks for by itself is nothing that anybody does.
    let region = [
        ("cookie", idle.as_str()),
        ("hx-request", "true"),
        ("hx-request-type", "partial"),
        ("hx-target", "div#freshness"),
    ];
    let page = console.get(HOME, &region).await;
    assert_eq!((page.status, page.header("set-cookie")), (200, None));
    let stream = console.stream("/live", &idle).await;
    assert!(stream.status() == 200 && stream.headers().get("set-cookie").is_none());
    console.clock.advance(minutes(1));
    assert_eq!(status(&console, &idle).await, 303);

    let mut cookie = console.sign_in().await;
    let copy = cookie.clone();
    console.clock.advance(minutes(4));
    let page = console.get(HOME, &[("cookie", &cookie)]).await;
    assert_eq!(page.header("set-cookie"), None, "most answers carry none");
    let mut elapsed = minutes(4);
    while elapsed + HOUR < HOUR * 12 {
        console.clock.advance(HOUR);
        elapsed += HOUR;
        let page = console.get(HOME, &[("cookie", &cookie)]).await;
        assert_eq!(page.status, 200, "after {elapsed:?}");
        cookie = cookie_of(&page).expect("a renewed cookie");
    }
    assert_eq!(status(&console, &copy).await, 303, "an old copy is as old as it says");
    console.clock.advance(HOUR * 12 - elapsed);
    assert_eq!(status(&console, &cookie).await, 303);
}

#[tokio::test]
async fn a_reissued_credential_ends_the_sessions_it_began() {
    let console = Console::start().await;
    let control = console.admin.control();
    let (id, good) = worker(&control, "Ada").await;
    let (_, of_bob) = worker(&control, "Bob").await;
    let (ada, bob) = (console.sign_in_as(&good).await, console.sign_in_as(&of_bob).await);
    assert_eq!(status(&console, &ada).await, 403);
    console.clock.advance(Duration::from_secs(1));
    let secret = control.reissue_credential(&id).await.expect("reissued");
    until("the end of the session", async || {
        (status(&console, &ada).await == 303).then_some(())
    })
    .await;
    assert_eq!(status(&console, &bob).await, 403);
    assert_eq!(console.present(&good, "/").await.status, 401);
    console.clock.advance(Duration::from_secs(1));
    let again = console.sign_in_as(&credential(&id, &secret)).await;
    assert_eq!(status(&console, &again).await, 403);
}

#[tokio::test]
async fn signing_in_anew_ends_the_session_that_the_browser_had() {
    let console = Console::start().await;
    let (_, good) = worker(&console.admin.control(), "Ada").await;
    let first = console.sign_in().await;
    let headers = [("cookie", first.as_str()), HERE];
    let page = console.post("/signin", &headers, &[("credential", &good)]).await;
    let second = cookie_of(&page).expect("a cookie");
    assert_eq!(
        (status(&console, &first).await, status(&console, &second).await),
        (303, 403)
    );
    // An attempt that fails ends nothing.
    let headers = [("cookie", second.as_str()), HERE];
    assert_eq!(
        console.post("/signin", &headers, &[("credential", "x")]).await.status,
        422
    );
    assert_eq!(status(&console, &second).await, 403);
}
