// The stream is opened again where it broke off, with backoff, and moves to another experiment with the page.

import { byId } from "./dom.js";
import { state } from "./state.js";
import { takeSlot } from "./stream-slots.js";

// A beat or a batch arrives at least every 1.5 s, and silence is looked for every 300 ms, so that a broken stream shows
// within 3 s.
const SILENCE = 2400;
const FIRST_RETRY = 500;
const LAST_RETRY = 4000;

// The id of the last message of each stream element, for the element that replaces it.
const positions = new WeakMap();
// Elements that will be opened anew.
const opening = new WeakSet();
// Elements whose connection is the extension's to reconnect, and to pause while the page is hidden.
const managed = new WeakSet();

export const isStream = (element) => element?.id === "live";
export const isManaged = (live) => managed.has(live);
export const isSilent = () => performance.now() - state.heardAt >= SILENCE;
export const closeConnection = () => state.connection?.reader?.cancel();

// After an error the stream counts as silent soon, but not at once: it may be back within the second.
export const suspectSilence = () => { state.heardAt = Math.min(state.heardAt, performance.now() - SILENCE + 800); };

// Replaces the stream's element by a fresh one, which htmx then opens.
export const openStream = (live) => {
  opening.delete(live);
  if (!live.isConnected || document.hidden || state.signedOut) return;
  const fresh = live.cloneNode(false);
  const url = new URL(live.getAttribute("hx-sse:connect"), location.href);
  if (positions.has(live)) url.searchParams.set("since", positions.get(live));
  fresh.setAttribute("hx-sse:connect", url.pathname + url.search);
  fresh.removeAttribute("data-htmx-powered");
  fresh.removeAttribute("class");
  live.replaceWith(fresh);
  htmx.process(fresh);
};

export const reopenStream = (live) => {
  if (!live || opening.has(live)) return;
  opening.add(live);
  suspectSilence();
  const backoff = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** state.attempts++);
  setTimeout(() => openStream(live), backoff * (0.75 + Math.random() / 2));
};

// Opens the stream once this window has a slot. Resolves to false if other windows have them all.
export const openInSlot = async (live) => {
  if (opening.has(live)) return true;
  opening.add(live);
  if (await takeSlot()) {
    openStream(live);
    return true;
  }
  opening.delete(live);
  return false;
};

// Connects to the stream that a new page names, unless the one that stayed on the page is the same.
export const switchStream = (url) => {
  const live = byId("live");
  const source = (address) => {
    const { pathname, searchParams } = new URL(address, location.href);
    searchParams.delete("since");
    return `${pathname}?${searchParams}`;
  };
  if (!url || !live || source(url) === source(live.getAttribute("hx-sse:connect") ?? "/")) return;
  live.setAttribute("hx-sse:connect", url);
  positions.delete(live);
  // While the page is hidden nothing is opened. When it is shown, streams that nobody manages are.
  managed.delete(live);
  openStream(live);
};

document.addEventListener("htmx:sse:after:connection", ({ target, detail }) => {
  managed.add(target);
  state.connection = detail.connection;
  state.openedAt = performance.now();
  state.confirmed = false;
});

document.addEventListener("htmx:sse:after:message", ({ target, detail }) => {
  if (detail.message.id) positions.set(target, detail.message.id);
});

document.addEventListener("htmx:sse:close", ({ target }) => managed.delete(target));
