//! One open page in a real Chromium, for a while.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::{Count, Counts, Kind, Wire};
use crate::Outcome;
use crate::chromium::Chromium;

/// How long a page may take to come to rest after it is loaded, before it is measured.
const SETTLE: Duration = Duration::from_secs(5);
/// How long after its load event a first visit is over.
const FIRST_VISIT: Duration = Duration::from_secs(1);

/// Records long tasks from now on, layout shifts from the beginning of the page, and when each row that is named by the
/// id of a task is first in the document, in milliseconds since 1970.
const OBSERVE: &str = "
    const light = window.light = { longest: 0, shift: 0, seen: {} };
    const task = (list) => { for (const entry of list.getEntries()) light.longest = Math.max(light.longest, entry.duration) };
    const shift = (list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) light.shift += entry.value };
    new PerformanceObserver(task).observe({ type: 'longtask' });
    new PerformanceObserver(shift).observe({ type: 'layout-shift', buffered: true });
    const see = (row, now) => { if (row.id?.startsWith('task-')) light.seen[row.id.slice(5)] ??= now };
    const look = (records) => {
        const now = performance.timeOrigin + performance.now();
        for (const { type, target, addedNodes } of records) {
            if (type === 'attributes') see(target, now);
            for (const node of addedNodes) {
                if (node.nodeType !== Node.ELEMENT_NODE) continue;
                see(node, now);
                for (const row of node.querySelectorAll('[id^=\"task-\"]')) see(row, now);
            }
        }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributeFilter: ['id'] });";

/// What the page holds in memory once garbage is collected.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub heap_bytes: f64,
    pub nodes: f64,
}

/// What a page cost while it was open.
pub struct Cost {
    pub wire: Counts,
    /// Parts of the time in which the main thread was busy: with anything, with scripts, with style and layout.
    pub busy: [f64; 3],
    /// Zero if none was long enough to be reported (50 ms).
    pub longest_task_ms: f64,
    pub layout_shift: f64,
    pub start: Held,
    pub end: Held,
}

/// A Chromium before a console, signed in.
pub struct Visitor {
    chromium: Chromium,
    wire: Wire,
}

impl Visitor {
    /// `cookie` is the cookie of a session, written `name=value`.
    pub async fn arrive(wire: &Wire, cookie: &str) -> Outcome<Self> {
        let chromium = Chromium::start().await?;
        chromium.set_cookie(&wire.origin(), cookie).await?;
        chromium.devtools("Performance.enable", json!({})).await?;
        Ok(Self {
            chromium,
            wire: wire.clone(),
        })
    }

    /// Opens a page with an empty cache. Returns what the document and its assets took.
    pub async fn first_visit(&self, path: &str) -> Outcome<[Count; 2]> {
        self.wire.take();
        self.open(path).await?;
        tokio::time::sleep(FIRST_VISIT).await;
        let counts = self.wire.take();
        Ok([counts.of(Kind::Document), counts.of(Kind::Asset)])
    }

    /// Opens a page and lets it come to rest.
    pub async fn settle(&self, path: &str) -> Outcome {
        self.open(path).await?;
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    async fn open(&self, path: &str) -> Outcome {
        self.chromium.open(&format!("{}{path}", self.wire.origin())).await?;
        let status = "return performance.getEntriesByType('navigation')[0].responseStatus";
        match self.chromium.script(status).await?.as_u64() {
            Some(200) => Ok(()),
            status => Err(format!("{path} answers {status:?}").into()),
        }
    }

    /// What the open page costs while `during` goes on.
    pub async fn cost<T>(&self, during: impl Future<Output = Outcome<T>>) -> Outcome<(Cost, T)> {
        let start = self.held().await?;
        self.chromium.script(OBSERVE).await?;
        let before = self.metrics().await?;
        self.wire.take();
        let result = during.await?;
        let wire = self.wire.take();
        let after = self.metrics().await?;
        let observed = self.chromium.script("return window.light").await?;
        let of = |name: &str| observed[name].as_f64().ok_or("the page was loaded anew meanwhile");
        let part = |names: &[&str]| {
            let spent: f64 = names.iter().map(|name| after(name) - before(name)).sum();
            spent / (after("Timestamp") - before("Timestamp"))
        };
        let cost = Cost {
            wire,
            busy: [
                part(&["TaskDuration"]),
                part(&["ScriptDuration"]),
                part(&["RecalcStyleDuration", "LayoutDuration"]),
            ],
            longest_task_ms: of("longest")?,
            layout_shift: of("shift")?,
            start,
            end: self.held().await?,
        };
        Ok((cost, result))
    }

    /// When each row that is named by the id of a task was first in the document, in milliseconds since 1970; of rows that
    /// came since [`Self::cost`] began.
    pub async fn sightings(&self) -> Outcome<serde_json::Map<String, Value>> {
        let seen = self.chromium.script("return window.light.seen").await?;
        Ok(seen.as_object().cloned().ok_or("the page was loaded anew meanwhile")?)
    }

    /// The number of rows that are named by the id of a task.
    pub async fn rows(&self) -> Outcome<u64> {
        let rows = "return document.querySelectorAll('[id^=\"task-\"]').length";
        Ok(self.chromium.script(rows).await?.as_u64().unwrap_or_default())
    }

    /// Collects garbage and says what is left.
    pub async fn held(&self) -> Outcome<Held> {
        self.chromium.devtools("HeapProfiler.collectGarbage", json!({})).await?;
        let metrics = self.metrics().await?;
        Ok(Held {
            heap_bytes: metrics("JSHeapUsedSize"),
            nodes: metrics("Nodes"),
        })
    }

    /// The metrics of the developer tools, by name; times are in seconds.
    async fn metrics(&self) -> Outcome<impl Fn(&str) -> f64 + use<>> {
        let answer = self.chromium.devtools("Performance.getMetrics", json!({})).await?;
        let metrics = answer["metrics"].as_array().cloned().unwrap_or_default();
        if !metrics.iter().any(|metric| metric["name"] == "TaskDuration") {
            return Err(format!("Chromium tells no metrics: {answer}").into());
        }
        Ok(move |name: &str| {
            let metric = metrics.iter().find(|metric| metric["name"] == name);
            metric.and_then(|metric| metric["value"].as_f64()).unwrap_or_default()
        })
    }
}
