//! A repository to clone from, and a server that gives it or refuses to.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{Oid, Repository, RepositoryInitOptions, Signature, Time, build::TreeUpdateBuilder};
use poem::http::{StatusCode, header};
use poem::{Endpoint, Request, Response, Result};
use tokio::sync::Semaphore;

use crate::lifecycle::Tasks;
use crate::protocol::{CommitSha, ExperimentId};

pub fn id(last: char) -> ExperimentId {
    format!("exp_01kjvktcgrby30fgq0x5nahyx{last}").parse().expect("an id")
}

/// A bare repository in `dir`, under the name its experiment's remote has.
pub struct Source(pub PathBuf);

impl Source {
    pub fn new(dir: &Path, id: &ExperimentId) -> Self {
        let path = dir.join(format!("{id}.git"));
        let mut options = RepositoryInitOptions::new();
        options.bare(true).mkpath(true).initial_head("main");
        Repository::init_opts(&path, &options).expect("a repository");
        Self(path)
    }

    /// Commits one file over `parent`'s tree and points `branch` at it.
    pub fn commit(&self, branch: &str, parent: Option<&CommitSha>, file: &str, content: &[u8]) -> CommitSha {
        let git = Repository::open_bare(&self.0).expect("a repository");
        let parent = parent.map(|sha| {
            Oid::from_str(sha.as_str())
                .and_then(|id| git.find_commit(id))
                .expect("a parent")
        });
        let blob = git.blob(content).expect("a blob");
        let empty = git.treebuilder(None).and_then(|tree| tree.write()).expect("a tree");
        let base = parent.as_ref().map_or_else(|| git.find_tree(empty), git2::Commit::tree);
        let tree = TreeUpdateBuilder::new()
            .upsert(file, blob, git2::FileMode::Blob)
            .create_updated(&git, &base.expect("a tree"))
            .expect("written");
        let who = Signature::new("ada", "ada@example.invalid", &Time::new(1_700_000_000, 0)).expect("a signature");
        let tree = git.find_tree(tree).expect("a tree");
        let parents: Vec<_> = parent.iter().collect();
        let made = git.commit(
            None,
            &who,
            &who,
            &format!("Change {file}\n\nBecause.\n"),
            &tree,
            &parents,
        );
        let made = made.expect("a commit");
        git.reference(&format!("refs/heads/{branch}"), made, true, "test")
            .expect("a branch");
        made.to_string().parse().expect("an object name")
    }

    pub fn remove(&self, branch: &str) {
        let git = Repository::open_bare(&self.0).expect("a repository");
        let mut found = git.find_reference(&format!("refs/heads/{branch}")).expect("a branch");
        found.delete().expect("deleted");
    }
}

/// The branches of a repository, without `refs/heads/`.
pub fn branches(path: &Path) -> Vec<String> {
    let git = Repository::open_bare(path).expect("a repository");
    let found = git.references_glob("refs/heads/*").expect("branches");
    let names = found.map(|found| found.expect("one").shorthand().expect("a name").to_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// What the server does with whoever asks.
#[derive(Clone)]
pub enum Manner {
    Serve,
    Status(u16),
    /// A page for people.
    Page,
    /// As git, with words of its own.
    Complain(String),
    /// Nothing until there is a permit, then serve.
    Wait(Arc<Semaphore>),
    /// Serve those who show this.
    Demand(String),
    /// The first half of each answer.
    Half,
}

/// git's own `upload-pack` behind HTTP on loopback.
pub struct Server {
    pub base: String,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
    packs: Arc<AtomicUsize>,
}

struct Git {
    root: PathBuf,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
    packs: Arc<AtomicUsize>,
}

impl Server {
    pub async fn start(root: &Path, tasks: &Tasks) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}/org/any.git", listener.local_addr().expect("bound"));
        let server = Self {
            base,
            manner: Arc::new(Mutex::new(Manner::Serve)),
            asked: Arc::default(),
            packs: Arc::default(),
        };
        let git = Git {
            root: root.into(),
            manner: server.manner.clone(),
            asked: server.asked.clone(),
            packs: server.packs.clone(),
        };
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).expect("a listener");
        tasks.spawn("git server", async move {
            // It ends with the test.
            let _ = poem::Server::new_with_acceptor(acceptor).run(git).await;
        });
        server
    }

    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// How many requests have come.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many packs were asked for.
    pub fn packs(&self) -> usize {
        self.packs.load(Ordering::SeqCst)
    }
}

impl Endpoint for Git {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let manner = self.manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let status = |status: u16| {
            Response::builder()
                .status(StatusCode::from_u16(status).expect("a status"))
                .finish()
        };
        let advertisement = "application/x-git-upload-pack-advertisement";
        match &manner {
            Manner::Serve | Manner::Half => {}
            Manner::Status(code) => return Ok(status(*code)),
            Manner::Page => return Ok(Response::builder().content_type("text/html").body("<h1>Welcome</h1>")),
            Manner::Complain(words) => {
                let line = format!("{:04x}ERR {words}", words.len() + 8);
                return Ok(Response::builder().content_type(advertisement).body(line));
            }
            Manner::Wait(permits) => drop(permits.acquire().await.expect("open")),
            Manner::Demand(shown) => {
                let given = request.headers().get(header::AUTHORIZATION);
                if given.is_none_or(|given| given.as_bytes() != shown.as_bytes()) {
                    return Ok(status(401));
                }
            }
        }
        let path = request.uri().path().to_owned();
        let name = path.split('/').find(|part| part.ends_with(".git")).unwrap_or_default();
        let repository = self.root.join(name);
        if !repository.exists() {
            return Ok(status(404));
        }
        let (body, kind) = match path.ends_with("/info/refs") {
            true => {
                let mut body = b"001e# service=git-upload-pack\n0000".to_vec();
                body.extend(upload_pack(&repository, &["--advertise-refs"], &[]));
                (body, advertisement)
            }
            false => {
                self.packs.fetch_add(1, Ordering::SeqCst);
                let asked = request.take_body().into_vec().await?;
                (
                    upload_pack(&repository, &[], &asked),
                    "application/x-git-upload-pack-result",
                )
            }
        };
        let end = match manner {
            Manner::Half if !path.ends_with("/info/refs") => body.len() / 2,
            _ => body.len(),
        };
        Ok(Response::builder().content_type(kind).body(body[..end].to_vec()))
    }
}

fn upload_pack(repository: &Path, more: &[&str], input: &[u8]) -> Vec<u8> {
    let mut git = Command::new("git")
        .args(["upload-pack", "--stateless-rpc"])
        .args(more)
        .arg(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git runs");
    git.stdin.take().expect("a pipe").write_all(input).expect("asked");
    git.wait_with_output().expect("an answer").stdout
}
