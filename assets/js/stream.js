// The stream: topics arrive as events by themselves; here is only whether it is alive.

// A beat comes every second, and silence is looked for below every 300 ms: together well within the 3 s promised.
const SILENCE = 2400;
let heard = performance.now();
let connection = null;
let lost = false;
let signedOut = false;
let attempts = 0;

// Whether the page is true changes with the backend too. Said politely, and not with every flicker.
const FRESHNESS_SAID_EVERY = 5000;
let toldFreshness = byId("freshness")?.dataset.freshness;
let toldFreshnessAt = -FRESHNESS_SAID_EVERY;
let tellingFreshness = 0;

const sayFreshness = (freshness, words) => {
  toldFreshness = freshness;
  toldFreshnessAt = performance.now();
  announce(words);
};

const tellFreshness = () => {
  const badge = byId("freshness");
  if (!badge || badge.hasAttribute("data-lost") || badge.dataset.freshness === toldFreshness) return;
  const wait = toldFreshnessAt + FRESHNESS_SAID_EVERY - performance.now();
  if (wait > 0) {
    tellingFreshness ||= setTimeout(() => {
      tellingFreshness = 0;
      tellFreshness();
    }, wait);
    return;
  }
  const words = [...badge.querySelectorAll(".state, .why")].map((part) => part.textContent.trim());
  sayFreshness(badge.dataset.freshness, words.join(": "));
};

const showLost = () => {
  const badge = byId("freshness");
  const words = byId("stream-lost");
  if (!badge || !words || badge.hasAttribute("data-lost")) return;
  // What was stale before is as old as it was; what was live is as old as the last sign of life.
  const older = badge.dataset.freshness === "live" ? null : badge.querySelector("time")?.dateTime;
  const since = older ?? new Date(Date.now() - (performance.now() - heard)).toISOString();
  const body = words.content.cloneNode(true);
  body.querySelector("time").setAttribute("datetime", since);
  badge.title = body.querySelector(".why").textContent;
  paint(body);
  badge.replaceChildren(body);
  badge.dataset.freshness = "stale";
  badge.setAttribute("data-lost", "");
  badge.removeAttribute("data-etag");
};

const alive = () => {
  heard = performance.now();
  attempts = 0;
  if (lost) {
    lost = false;
    sayFreshness("live", "Connection restored.");
    refreshAll();
  }
  const badge = byId("freshness");
  if (badge?.hasAttribute("data-lost")) refresh(badge);
};

for (const name of ["beat", "tasks", "ideas", "variants", "events", "experiment", "registry", "activity", "freshness"]) {
  document.addEventListener(name, (event) => { if (event.target.id === "live") alive(); });
}

document.addEventListener("htmx:sse:after:connection", ({ detail }) => {
  connection = detail.connection;
  heard = performance.now();
});
// An error is a reason to doubt, but it may mend within the second.
document.addEventListener("htmx:sse:error", ({ detail }) => {
  if (detail.status === 401) return signOut();
  heard = Math.min(heard, performance.now() - SILENCE + 800);
});
document.addEventListener("htmx:sse:before:connection", (event) => { if (signedOut) event.preventDefault(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) heard = performance.now(); });

setInterval(() => {
  const live = byId("live");
  if (document.hidden || signedOut || !live?.hasAttribute("hx-sse:connect")) return;
  const silence = performance.now() - heard;
  if (silence < SILENCE) return;
  if (!lost) sayFreshness("stale", "Connection to the console lost; retrying.");
  lost = true;
  showLost();
  // A connection that is open but silent is not closed by itself.
  if (silence > 8000 && connection?.reader) connection.reader.cancel();
}, 300);

// The extension reconnects a stream it once had; one that never came up is opened anew here.
const reopening = new WeakSet();

const reopen = (live) => {
  if (reopening.has(live)) return;
  reopening.add(live);
  const wait = Math.min(10000, 1000 * 2 ** attempts++) * (0.75 + Math.random() / 2);
  heard = Math.min(heard, performance.now() - SILENCE + 800);
  setTimeout(() => {
    if (!live.isConnected) return;
    const fresh = live.cloneNode(false);
    fresh.removeAttribute("data-htmx-powered");
    fresh.removeAttribute("class");
    live.replaceWith(fresh);
    htmx.process(fresh);
  }, wait);
};
