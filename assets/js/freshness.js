// The badge says within seconds that the console or its stream is gone, and how the page is kept up to date instead.

import { announce, spaced } from "./announce.js";
import { byId } from "./dom.js";
import { state } from "./state.js";
import { paintTimes } from "./times.js";

// What was announced last: "lost", or the word of the badge.
let announced = byId("freshness")?.dataset.freshness;

// Announces the badge if it changed. The backend changes it too.
export const announceFreshness = spaced(() => {
  const badge = byId("freshness");
  if (!badge || state.signedOut) return false;
  const isLost = badge.hasAttribute("data-lost");
  const current = isLost ? "lost" : badge.dataset.freshness;
  if (current === announced) return false;
  const isRestored = announced === "lost" && current === "live";
  announced = current;
  if (isLost) announce("Connection to the console lost; retrying.");
  else if (isRestored) announce("Connection restored.");
  else announce([...badge.querySelectorAll(".state, .why")].map((part) => part.textContent.trim()).join(": "));
  return true;
}, 5000);

// The next page is announced by its title; its badge counts as announced.
export const skipAnnouncement = () => { announced = byId("freshness")?.dataset.freshness; };

// Replaces what the server wrote in the badge by the words for the current mode.
const renderBadge = (badge, freshness, since) => {
  const template = byId(`stream-${state.mode}`);
  if (!template) return;
  const body = template.content.cloneNode(true);
  body.querySelector("time")?.setAttribute("datetime", since);
  badge.title = body.querySelector(".why").textContent;
  paintTimes(body);
  badge.replaceChildren(body);
  badge.dataset.freshness = freshness;
  badge.dataset.kept = state.mode;
};

export const showLost = () => {
  state.mode = "lost";
  const badge = byId("freshness");
  if (!badge || badge.hasAttribute("data-lost")) return;
  // A page that was stale before keeps its age. One that was fresh is as old as the last answer of the console.
  const staleSince = badge.dataset.freshness === "stale" ? badge.querySelector("time")?.dateTime : null;
  const reachedAt = new Date(Date.now() - (performance.now() - state.reachedAt)).toISOString();
  renderBadge(badge, "stale", staleSince ?? reachedAt);
  badge.setAttribute("data-lost", "");
  badge.removeAttribute("data-etag");
};

// While the page polls, a badge that says it is live is wrong. One that says the data is stale is kept: that matters
// more.
export const showPolling = (badge) => {
  if (!badge || badge.dataset.freshness === "stale" || !(state.mode === "blocked" || state.mode === "shared")) return;
  renderBadge(badge, "polling");
};
