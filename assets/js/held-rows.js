// New rows above the ones being read are held back behind a count, so that nothing moves under the reader's eyes.

import { announce, spaced } from "./announce.js";
import { ROWS, highlight } from "./changed-rows.js";
import { byId, reducedMotion } from "./dom.js";
import { refresh } from "./regions.js";
import { isSelected } from "./selection.js";

// Regions with rows held back.
const holding = new Set();
// Regions that were requested again to show all rows. The next answer is swapped in as it is.
const showing = new WeakSet();

const listOf = (root) => root?.querySelector?.(ROWS)?.closest("tbody") ?? null;
const rowsIn = (list) => [...list.children].filter((row) => row.id);

// A touch leaves `:hover` on the element last touched, so hovering counts for a mouse only.
let mouse = false;
addEventListener("pointerover", (event) => { mouse = event.pointerType === "mouse"; }, true);

const isIn = (element) => (mouse && element.matches(":hover")) || element.contains(document.activeElement);

// A list is being read if the head of its table is scrolled away, if it has the pointer, the focus or a selection, or if
// the count above it has the pointer or the focus.
const isBeingRead = (list) => {
  const held = list.closest("[data-region]").querySelector("[data-held]:not([hidden])");
  return list.closest("table").getBoundingClientRect().top < (byId("bar")?.getBoundingClientRect().bottom ?? 0)
    || isIn(list)
    || (held && isIn(held))
    || isSelected(list);
};

// When the count is hidden while it has the focus, the focus moves to the table that it counted for.
const rescueFocus = (region) => {
  const held = region.querySelector("[data-held][hidden]");
  if (held?.contains(document.activeElement)) region.querySelector(".table-wrap")?.focus({ preventScroll: true });
};

const showCount = (root, count, words = "") => {
  const held = root?.querySelector("[data-held]");
  if (!held) return;
  held.hidden = !count;
  if (!count && root.isConnected) rescueFocus(root);
  const text = held.querySelector("[data-held-count]");
  if (count) text.textContent = `${words || count} ${count === 1 ? held.dataset.one : held.dataset.many}`;
};

const announceCount = spaced(() => {
  const region = [...holding].find((region) => region.isConnected);
  const text = region?.querySelector("[data-held]:not([hidden]) [data-held-count]")?.textContent;
  if (text) announce(text);
  return Boolean(text);
}, 10000, 500);

const startHolding = (region) => {
  holding.add(region);
  announceCount();
};

// Hides the new rows above the first known one in a fragment that is about to be swapped in. False if it holds no known
// row: then the whole fragment waits.
export const holdNewRows = (region, fragment) => {
  const [list, next] = [listOf(region), listOf(fragment)];
  // A region that holds rows goes on until the timer below finds that it is not being read any more.
  if (!list || !next || showing.has(region) || !(holding.has(region) || isBeingRead(list))) {
    holding.delete(region);
    return true;
  }
  const shown = rowsIn(list).filter((row) => !row.hidden);
  const known = new Set(shown.map((row) => row.id));
  const rows = rowsIn(next);
  const first = rows.findIndex((row) => known.has(row.id));
  if (first < 0) {
    // There may be more of them than fit on one page.
    showCount(region, rows.length, `${rows.length}+`);
    region.dataset.waits = "";
    startHolding(region);
    return false;
  }
  if (!first) {
    holding.delete(region);
    return true;
  }
  for (const row of rows.slice(0, first)) row.hidden = true;
  // Rows that the new ones push off the page stay until those are shown, and are marked.
  const left = new Set(rows.map((row) => row.id));
  const pushed = shown.slice(shown.findLastIndex((row) => left.has(row.id)) + 1).slice(-first);
  for (const row of pushed) {
    const copy = row.cloneNode(true);
    copy.dataset.gone = "";
    copy.title = "No longer on this page of the list.";
    next.append(copy);
  }
  showCount(fragment, first);
  startHolding(region);
  return true;
};

export const afterRegionSwap = (region, status) => {
  rescueFocus(region);
  if (status === 200) showing.delete(region);
};

const showHeldRows = (region) => {
  holding.delete(region);
  showCount(region, 0);
  if (region.hasAttribute("data-waits")) {
    region.removeAttribute("data-waits");
    showing.add(region);
    return refresh(region);
  }
  const list = listOf(region);
  if (!list) return;
  for (const row of rowsIn(list)) {
    if (row.hasAttribute("data-gone")) row.remove();
    if (!row.hidden) continue;
    row.hidden = false;
    if (!reducedMotion.matches) highlight(row);
  }
};

// Held rows are shown when this many checks in a row find nobody reading. One is not enough: on its way from the rows to
// the count the pointer is in neither for a moment.
const UNREAD_CHECKS = 2;
const unreadChecks = new WeakMap();

setInterval(() => {
  for (const region of holding) {
    const list = region.isConnected ? listOf(region) : null;
    if (!list) {
      holding.delete(region);
      continue;
    }
    const checks = isBeingRead(list) ? 0 : (unreadChecks.get(region) ?? 0) + 1;
    unreadChecks.set(region, checks);
    if (checks >= UNREAD_CHECKS) showHeldRows(region);
  }
}, 400);

document.addEventListener("click", (event) => {
  const region = event.target.closest?.("[data-show-held]")?.closest("[data-region]");
  if (!region) return;
  const list = region.querySelector(".table-wrap");
  showHeldRows(region);
  list?.scrollIntoView({ block: "start" });
  list?.focus({ preventScroll: true });
});
