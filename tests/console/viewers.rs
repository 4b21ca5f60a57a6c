//! Open pages, as far as a server can tell: each was viewed and holds its stream.

use std::time::Duration;

use switchboard::protocol::ExperimentId;

use crate::console::{Console, Page};

/// A page that is open.
pub struct Viewer {
    pub path: String,
    stream: reqwest::Response,
    told: String,
}

impl Viewer {
    /// Views a page and opens the stream that it names.
    pub async fn open(console: &Console, path: &str, cookie: &str) -> Self {
        let page = view(console, path, cookie).await;
        let live = page.attributes("#live", "hx-sse:connect").pop().expect("a stream");
        let stream = console.stream(&live, cookie).await;
        assert_eq!(stream.status().as_u16(), 200, "{live}");
        Self {
            path: path.to_owned(),
            stream,
            told: String::new(),
        }
    }

    /// Waits until the stream names a topic that it has not been waited for yet.
    pub async fn told(&mut self, topic: &str) {
        let read = async {
            loop {
                let named = self.told.split_inclusive('\n').find(|line| {
                    let topics = line.strip_prefix("data:").filter(|_| line.ends_with('\n'));
                    topics.is_some_and(|topics| topics.split_whitespace().any(|told| told == topic))
                });
                if let Some(line) = named.map(str::to_owned) {
                    // Other topics of the same frame may be waited for next.
                    let others: Vec<_> = line["data:".len()..]
                        .split_whitespace()
                        .filter(|told| *told != topic)
                        .collect();
                    self.told = self.told.replacen(&line, &format!("data:{}\n", others.join(" ")), 1);
                    return;
                }
                let piece = self.stream.chunk().await.expect("the stream goes on");
                self.told
                    .push_str(std::str::from_utf8(&piece.expect("the stream goes on")).expect("text"));
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), read).await;
        waited.unwrap_or_else(|_| panic!("{} is not told of {topic}: {}", self.path, self.told));
    }
}

/// Views a page, which must be there.
pub async fn view(console: &Console, path: &str, cookie: &str) -> Page {
    let page = console.get(path, &[("cookie", cookie)]).await;
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    page
}

/// A page of every kind that shows an experiment in which one life of the name `0` was lived.
pub fn pages(id: &ExperimentId) -> Vec<String> {
    let kinds = [
        "",
        "admin/tasks/",
        "admin/tasks/?state=completed&sort=updated",
        "admin/tasks/ideate-0/",
        "admin/tasks/execute-0/",
        "admin/tasks/evaluate-0/",
        "admin/ideas/",
        "admin/ideas/i-0/",
        "admin/variants/",
        "admin/variants/v-0/",
        "admin/events/",
    ];
    kinds.iter().map(|kind| format!("/x/{id}/{kind}")).collect()
}
