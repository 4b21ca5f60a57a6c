// The stream: topics arrive as events by themselves; here is whether it is alive, and what is done while it is not.

// A beat comes every second, and silence is looked for below every 300 ms: together well within the 3 s promised.
const SILENCE = 2400;
// What is open and silent this long is not closed by itself.
const MUTE = 8000;
const REFRESHED_EVERY = 5000;
let opened = -MUTE;
let connection = null;
// Whether anything was heard on it.
let spoken = false;
let attempts = 0;
let signedOut = false;
let asking = 0;
// How far each stream has been told, for the one that takes its place.
const positions = new WeakMap();
const reopening = new WeakSet();
// Those that the extension looks after, which reconnects and rests by itself.
const followed = new WeakSet();

const isLive = (element) => element?.id === "live";

const alive = () => {
  heard = performance.now();
  seen = heard;
  spoken = true;
  attempts = 0;
  const badge = byId("freshness");
  if (kept !== "live") {
    kept = "live";
    clearTimeout(asking);
    badge?.removeAttribute("data-etag");
    refreshAll();
  } else if (badge?.dataset.kept) refresh(badge);
  // Opened just as the page was left.
  if (document.hidden) connection?.reader?.cancel();
};

const TOPICS = ["tasks", "ideas", "variants", "events", "experiment", "registry", "activity", "freshness"];
let topicsHeard = 0;
for (const name of ["beat", "resync", ...TOPICS]) {
  document.addEventListener(name, (event) => {
    if (!isLive(event.target)) return;
    if (name !== "beat") topicsHeard += 1;
    alive();
  });
}

document.addEventListener("htmx:sse:after:message", ({ target, detail }) => {
  if (detail.message.id) positions.set(target, detail.message.id);
});

// An error is a reason to doubt, but it may mend within the second.
const doubt = () => { heard = Math.min(heard, performance.now() - SILENCE + 800); };

const lose = () => {
  showLost();
  tellFreshness();
};

// ---- Opening it ----

const open = (live) => {
  reopening.delete(live);
  if (!live.isConnected || document.hidden || signedOut) return;
  const fresh = live.cloneNode(false);
  const url = new URL(live.getAttribute("hx-sse:connect"), location.href);
  if (positions.has(live)) url.searchParams.set("since", positions.get(live));
  fresh.setAttribute("hx-sse:connect", url.pathname + url.search);
  fresh.removeAttribute("data-htmx-powered");
  fresh.removeAttribute("class");
  live.replaceWith(fresh);
  htmx.process(fresh);
};

// A page names the stream it follows where the one that is there was to stay. That may be another one's.
const follow = (url) => {
  const live = byId("live");
  const path = (address) => new URL(address, location.href).pathname;
  if (!url || !live || path(url) === path(live.getAttribute("hx-sse:connect") ?? "/")) return;
  live.setAttribute("hx-sse:connect", url);
  positions.delete(live);
  // Should nobody look now, it is opened when somebody does.
  followed.delete(live);
  open(live);
};

const reopen = (live) => {
  if (!live || reopening.has(live)) return;
  reopening.add(live);
  doubt();
  const wait = Math.min(4000, 500 * 2 ** attempts++) * (0.75 + Math.random() / 2);
  setTimeout(() => open(live), wait);
};

const claim = async (live) => {
  if (reopening.has(live)) return;
  reopening.add(live);
  if (await takeSlot()) return open(live);
  reopening.delete(live);
  if (document.hidden || signedOut || kept !== "live") return;
  kept = "shared";
  showRefreshed(byId("freshness"));
  tellFreshness();
  again();
};

document.addEventListener("htmx:before:request", (event) => {
  const live = event.detail.ctx.sourceElement;
  if (!isLive(live) || event.defaultPrevented || mayStream()) return;
  event.preventDefault();
  claim(live);
});

htmx.registerExtension("console-stream", {
  // What answers may be a fault, or another party's page. The extension of streams takes only what is a stream.
  htmx_before_response: (live, { ctx: { response } }) => {
    if (!isLive(live)) return true;
    response.raw.body?.cancel().catch(() => null);
    if (response.status === 401) signOut();
    else reopen(live);
    return false;
  },
});

document.addEventListener("htmx:sse:before:connection", (event) => {
  const { target: live, detail: { connection: next } } = event;
  if (signedOut) return event.preventDefault();
  // The first one is there already; so is leave to have it.
  if (!next.attempt) return;
  // A connection on which nothing was heard may have been none of the console's, and whoever answers is looked at when a
  // stream is opened anew.
  if (mayStream() && spoken) return;
  event.preventDefault();
  if (mayStream()) reopen(live);
  else claim(live);
});

document.addEventListener("htmx:sse:after:connection", ({ target, detail }) => {
  followed.add(target);
  connection = detail.connection;
  opened = performance.now();
  spoken = false;
});

document.addEventListener("htmx:sse:close", ({ target }) => followed.delete(target));

document.addEventListener("htmx:sse:error", ({ detail }) => {
  if (detail.status === 401) signOut();
  else doubt();
});

// ---- While it is not ----

// Whether the console answers, and as itself: the sign-in page of a gateway is an answer too. Not through a region,
// since one request of a region waits for the one before.
const answers = async () => {
  const badge = byId("freshness");
  if (!badge) return false;
  try {
    const headers = { "HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#freshness" };
    const response = await fetch(badge.getAttribute("hx-get"), { headers, cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (response.status === 401) signOut();
    return response.ok && (await response.text()).includes('id="freshness"');
  } catch {
    return false;
  }
};

const ask = async () => {
  if (kept === "live" || signedOut) return;
  again();
  if (document.hidden) return;
  if (!mayStream() && (await takeSlot())) return open(byId("live"));
  const reached = await answers();
  if (kept === "live" || signedOut) return;
  if (!reached) {
    if (kept !== "lost") lose();
    return;
  }
  seen = performance.now();
  const means = mayStream() ? "blocked" : "shared";
  if (kept !== means) byId("freshness")?.removeAttribute("data-etag");
  kept = means;
  refreshAll();
};

// Windows that lost the console together do not come back together.
function again() {
  clearTimeout(asking);
  asking = setTimeout(ask, REFRESHED_EVERY * (0.9 + Math.random() / 5));
}

setInterval(() => {
  const live = byId("live");
  if (document.hidden || signedOut || !live?.hasAttribute("hx-sse:connect")) return;
  const now = performance.now();
  if (kept === "lost") showLost();
  if (kept === "live" && now - heard >= SILENCE) {
    lose();
    ask();
  }
  if (kept !== "live" && now - Math.max(heard, opened) > MUTE) connection?.reader?.cancel();
}, 300);

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return releaseSlot();
  heard = performance.now();
  if (kept !== "live") ask();
  const live = byId("live");
  if (live && !followed.has(live)) open(live);
});
