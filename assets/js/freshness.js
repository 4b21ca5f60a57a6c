// The badge: how the page is kept true, and word of it when that changes.

// How it is kept: "live" by the stream; else by asking again, since the stream is "blocked" on its way or "shared" out
// to other windows; or, when nobody answers, it is "lost".
let kept = "live";
// When a frame of the stream last came, and when the console was last known to be there.
let heard = performance.now();
let seen = heard;

// Whether the page is true changes with the backend too. Said politely, and not with every flicker.
const FRESHNESS_SAID_EVERY = 5000;
let toldFreshness = byId("freshness")?.dataset.freshness;
let toldFreshnessAt = -FRESHNESS_SAID_EVERY;
let tellingFreshness = 0;

const tellFreshness = () => {
  const badge = byId("freshness");
  if (!badge || signedOut) return;
  const lost = badge.hasAttribute("data-lost");
  const told = lost ? "lost" : badge.dataset.freshness;
  if (told === toldFreshness) return;
  const wait = toldFreshnessAt + FRESHNESS_SAID_EVERY - performance.now();
  if (wait > 0) {
    tellingFreshness ||= setTimeout(() => {
      tellingFreshness = 0;
      tellFreshness();
    }, wait);
    return;
  }
  const restored = toldFreshness === "lost" && told === "live";
  toldFreshness = told;
  toldFreshnessAt = performance.now();
  if (lost) announce("Connection to the console lost; retrying.");
  else if (restored) announce("Connection restored.");
  else announce([...badge.querySelectorAll(".state, .why")].map((part) => part.textContent.trim()).join(": "));
};

const dress = (badge, freshness, since) => {
  const words = byId(`stream-${kept}`);
  if (!words) return;
  const body = words.content.cloneNode(true);
  body.querySelector("time")?.setAttribute("datetime", since);
  badge.title = body.querySelector(".why").textContent;
  paint(body);
  badge.replaceChildren(body);
  badge.dataset.freshness = freshness;
  badge.dataset.kept = kept;
};

const showLost = () => {
  kept = "lost";
  const badge = byId("freshness");
  if (!badge || badge.hasAttribute("data-lost")) return;
  // What was stale before is as old as it was; what was kept is as old as the last sign of life.
  const older = badge.dataset.freshness === "stale" ? badge.querySelector("time")?.dateTime : null;
  dress(badge, "stale", older ?? new Date(Date.now() - (performance.now() - seen)).toISOString());
  badge.setAttribute("data-lost", "");
  badge.removeAttribute("data-etag");
};

// A page that is asked for again and again follows nothing, whatever the console does. That what it is told is stale
// matters more.
const showRefreshed = (badge) => {
  if (!badge || badge.dataset.freshness === "stale" || !(kept === "blocked" || kept === "shared")) return;
  dress(badge, "polling");
};
