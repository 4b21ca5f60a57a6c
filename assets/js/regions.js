// Regions are requested again when what they show has changed: all that changed in one request, of which the answer holds
// only the changes.

import { byId } from "./dom.js";
import { state } from "./state.js";

// A region that may not be requested yet goes with the others if it nearly may, and otherwise waits a little longer than it
// must, so that it can go with the next batch.
const SLACK = 300;
const TIMEOUT = 5000;

// The ids of regions that have to be requested, and when each was last.
const outdated = new Set();
const requestedAt = new Map();
// The page that a request under way is for. Another page does not wait for it: its request takes the place of that one.
let requesting = null;
let nextRequest = 0;

const requestRegions = async (regions, page) => {
  requesting = page;
  const known = regions.map((region) => `${region.dataset.region}="${region.dataset.etag ?? ""}"`);
  for (const { id } of regions) {
    outdated.delete(id);
    requestedAt.set(id, performance.now());
  }
  try {
    await htmx.ajax("GET", page, {
      source: byId("refresh"),
      swap: "none",
      headers: { "Switchboard-Regions": known.join(", ") },
      page,
      etags: new Map(regions.map((region) => [region.id, region.dataset.etag ?? ""])),
    });
  } finally {
    if (requesting === page) requesting = null;
    requestOutdated();
  }
};

const requestOutdated = () => {
  clearTimeout(nextRequest);
  const page = byId("main")?.dataset.page;
  // Without a session there is nothing to ask with. What the operator asks for is sent, and leads to the sign-in page.
  if (requesting === page || document.hidden || state.signedOut || !page) return;
  const waits = new Map();
  for (const id of outdated) {
    const region = byId(id);
    if (!region) outdated.delete(id);
    else waits.set(region, (requestedAt.get(id) ?? -Infinity) + Number(region.dataset.pace ?? 0) - performance.now());
  }
  if (!waits.size) return;
  const next = Math.min(...waits.values());
  if (next > 0) nextRequest = setTimeout(requestOutdated, next + SLACK);
  else requestRegions([...waits.keys()].filter((region) => waits.get(region) <= SLACK), page);
};

export const refresh = (region) => {
  if (!region?.id) return;
  outdated.add(region.id);
  // All regions that are named at the same time are one request.
  queueMicrotask(requestOutdated);
};

export const refreshAll = () => document.querySelectorAll("[data-region]").forEach(refresh);

// Requests the regions that show one of these topics.
export const refreshTopics = (topics) => {
  for (const region of document.querySelectorAll("[data-topics]")) {
    if (region.dataset.topics.split(" ").some((topic) => topics.includes(topic))) refresh(region);
  }
};

// The regions that a request of htmx is for, if it is one of those above. Some may be gone by now.
export const regionsOf = (ctx) => [...(ctx?.etags?.keys() ?? [])].map(byId).filter(Boolean);
export const isRefresh = (ctx) => Boolean(ctx?.etags);

// Whether the answer is for the page and the version of a region that are still there.
export const isForThisPage = (ctx) => ctx.page === byId("main")?.dataset.page;
export const isForThisVersion = (ctx, region) => ctx.etags.get(region.id) === (region.dataset.etag ?? "");

// An answer that is lost on the way must not keep the page from asking again for as long as htmx waits (20 s).
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (isRefresh(ctx)) setTimeout(() => ctx.request.abort?.("timeout"), TIMEOUT);
});

// Anything on the page can ask for a region by this event.
document.addEventListener("refresh", ({ target }) => { if (target.matches?.("[data-region]")) refresh(target); }, true);

document.addEventListener("visibilitychange", requestOutdated);

// What could not be read for the page may be readable soon, but no event will say so.
setInterval(() => {
  if (document.hidden || state.mode !== "live") return;
  for (const unread of document.querySelectorAll("[data-unread]")) refresh(unread.closest("[data-region]"));
}, 5000);
