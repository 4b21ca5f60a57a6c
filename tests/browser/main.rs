//! An operator's journeys in a real Chromium.
#![cfg(test)]
// The console inside a middlebox is a type of types, deeper than the compiler follows by itself.
#![recursion_limit = "256"]

#[path = "../support/chromedriver.rs"]
mod chromedriver;
mod chromium;
mod console;
#[path = "../support/life.rs"]
mod life;
#[expect(dead_code, reason = "the journeys without a browser use the rest")]
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../console/support.rs"]
#[expect(dead_code, reason = "what only the other integration binary uses")]
mod support;

mod calm;
mod codings;
mod demo;
mod gap;
mod keyboard;
mod live;
mod middlebox;
mod news;
mod outage;
mod plain;
mod session;
mod switch;
mod traps;
mod travel;
