//! The switch: experiments, operators and roles in every posture, and whatever can fail between console and servers.

mod canary;
mod matrix;
mod net;
mod planted;
mod postures;
mod push;
mod recovery;
mod resolution;
mod selection;
mod table;

use std::path::Path;

use switchboard::access;
use switchboard::clock::Clock;
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::console::{Console, Page, Setup, address_of, until};
use crate::gateway::{Fault, Gateway};
use crate::proxy::Proxy;
use crate::roles::worker;
use crate::support::{ADMIN_TOKEN, Lab, World};

/// The way to one server: what lies on it can be cut, fall silent, or answer in the server's place.
pub struct Line {
    pub proxy: Proxy,
    pub gateway: Gateway,
}

impl Line {
    pub async fn to(upstream: &str, tasks: &Tasks) -> Self {
        let gateway = Gateway::before(upstream, tasks).await;
        let proxy = Proxy::before(address_of(gateway.base()), tasks).await;
        Self { proxy, gateway }
    }

    /// From now on everything is answered so; what was under way is cut off.
    pub fn fail(&self, how: How) {
        match how {
            How::Cut => self.proxy.cut(),
            How::Mute => {
                self.proxy.cut();
                self.proxy.mute();
            }
            How::Says(fault) => {
                self.proxy.cut();
                self.gateway.fail(fault, |_, _| true);
                self.proxy.heal();
            }
        }
    }

    pub fn heal(&self) {
        self.gateway.heal();
        self.proxy.heal();
    }
}

/// How a server is not what it should be.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// Nobody is there.
    Cut,
    /// It takes requests and never answers.
    Mute,
    Says(Fault),
}

/// Two experiments, a console, and a way to each server.
pub struct Site {
    pub world: World,
    pub console: Console,
    pub control: Line,
    pub store: Line,
    pub alpha: Lab,
    pub beta: Lab,
    /// In the deployment's `admins`.
    pub member: String,
    /// In no group.
    pub other: String,
}

impl Site {
    pub async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// The same with the console set up otherwise; told the first experiment.
    pub async fn with(change: impl FnOnce(&mut Setup, &ExperimentId)) -> Self {
        let world = World::start().await;
        let (alpha, beta) = (world.lab("Alpha").await, world.lab("Beta").await);
        alpha.ideation("only-in-alpha").await;
        beta.ideation("only-in-beta").await;
        let control = world.admin.control();
        let (id, member) = worker(&control, "Olga").await;
        let (_, other) = worker(&control, "Otto").await;
        let admins = RegisterGroup {
            name: Some("admins".to_owned()),
            members: vec![(&id).into()],
        };
        control.register_group(&admins).await.expect("a group");
        let (control, store) = (
            Line::to(&world.base, &world.tasks).await,
            Line::to(&world.base, &world.tasks).await,
        );
        let scratch = tempfile::tempdir().expect("a directory");
        let mut setup = Setup::of(access_to(&control, &store, scratch.path()));
        change(&mut setup, &alpha.id);
        let console = open(&world, setup, scratch).await;
        Self {
            world,
            console,
            control,
            store,
            alpha,
            beta,
            member,
            other,
        }
    }

    /// Another console on the same ways, with a directory of its own.
    pub async fn another(&self, change: impl FnOnce(&mut Setup)) -> Console {
        let scratch = tempfile::tempdir().expect("a directory");
        let mut setup = Setup::of(access_to(&self.control, &self.store, scratch.path()));
        change(&mut setup);
        open(&self.world, setup, scratch).await
    }

    pub async fn link(&self) -> Browser {
        Browser::by_link(self.console.base(), &self.console.sign_in_link()).await
    }

    pub async fn operator(&self, credential: &str) -> Browser {
        Browser::signed_in(self.console.base(), credential).await
    }

    /// Waits until the console follows an experiment.
    pub async fn follows(&self, id: &ExperimentId) {
        follows(&self.console, id).await;
    }
}

fn access_to(control: &Line, store: &Line, credentials: &Path) -> access::Options {
    let access = access::Options::single_server(&store.proxy.base(), ADMIN_TOKEN.into(), credentials.join("console"));
    access::Options {
        control_plane: Some(control.proxy.base()),
        ..access.expect("an address")
    }
}

async fn open(world: &World, setup: Setup, scratch: TempDir) -> Console {
    Console::over(setup, world.admin.clone(), Tasks::new(), Clock::default(), scratch).await
}

pub async fn follows(console: &Console, id: &ExperimentId) {
    let mirror = console.live.mirror(id);
    until("the feed", async || {
        (mirror.view().freshness.word() == "live" && mirror.view().snapshot().is_some()).then_some(())
    })
    .await;
}

pub fn fault(page: &Page) -> String {
    page.attributes("[data-fault]", "data-fault").join("+")
}

/// Status, and the fault's key if there is one.
pub fn outcome(page: &Page) -> String {
    format!("{} {}", page.status, fault(page)).trim_end().to_owned()
}

pub fn words(page: &Page) -> String {
    page.texts("main").concat()
}

/// How a browser asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Plain,
    Htmx,
}

pub const BOTH: [Ask; 2] = [Ask::Plain, Ask::Htmx];

/// Asks for a page and goes where it leads, as the browser would.
pub async fn visit(browser: &Browser, path: &str, ask: Ask) -> Page {
    let mut page = match ask {
        Ask::Plain => browser.get(path).await,
        Ask::Htmx => browser.swap_in(path).await,
    };
    assert_sound(&page, ask, path);
    for _ in 0..3 {
        let Some(to) = page.header("location").map(str::to_owned) else {
            break;
        };
        page = match ask {
            Ask::Plain => browser.get(&to).await,
            // fetch follows a 303 with the headers it had.
            Ask::Htmx => browser.swap_in(&to).await,
        };
        assert_sound(&page, ask, &to);
    }
    page
}

/// Sends a form.
pub async fn send(browser: &Browser, path: &str, form: &[(&str, &str)], ask: Ask) -> Page {
    let page = match ask {
        Ask::Plain => browser.post(path, form).await,
        Ask::Htmx => browser.swap(path, form).await,
    };
    assert_sound(&page, ask, path);
    page
}

/// What holds of every answer: no failure of the console itself, nothing blank, and no document within a document.
pub fn assert_sound(page: &Page, ask: Ask, path: &str) {
    let shown = format!("{ask:?} {path}: {} {:?}\n{}", page.status, page.headers, page.body);
    assert!(page.status != 500, "{shown}");
    if page.header("location").is_some() || page.header("hx-redirect").is_some() {
        assert!(page.body.is_empty(), "{shown}");
        return;
    }
    assert_eq!(page.body.contains("<html"), ask == Ask::Plain, "{shown}");
    assert!(words(page).split_whitespace().count() > 3, "blank: {shown}");
    assert!(!page.texts("main h1").is_empty(), "{shown}");
}
