// New rows above the ones being read are held back behind a count, so that nothing moves under the reader's eyes.

import { announce, spaced } from "./announce.js";
import { setHidden } from "./dom.js";
import { isBeingRead, listOf, rowsIn } from "./reading.js";

// Regions with rows held back.
export const holding = new Set();
// Regions that were requested again to show all rows. The next answer is swapped in as it is.
export const showing = new WeakSet();

// When the count is hidden while it has the focus, the focus moves to the table that it counted for.
const rescueFocus = (region) => {
  const held = region.querySelector("[data-held][hidden]");
  if (held?.contains(document.activeElement)) region.querySelector(".table-wrap")?.focus({ preventScroll: true });
};

export const showCount = (root, count, words = "") => {
  const held = root?.querySelector("[data-held]");
  if (!held) return;
  setHidden(held, !count);
  held.toggleAttribute("data-count", Boolean(count));
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

// A region that holds rows goes on until the timer below finds that it is not being read any more.
const mayHold = (region, list) => list && !showing.has(region) && (holding.has(region) || isBeingRead(list));

// How many of the rows to come are new and stand above the first one that is shown now. Null if none of those is left: then
// all of it waits.
const countNew = (region, list, rows) => {
  const known = new Set(rowsIn(list).filter((row) => !row.hidden).map((row) => row.id));
  const first = rows.findIndex((row) => known.has(row.id));
  if (first >= 0) return first;
  // There may be more of them than fit on one page.
  showCount(region, rows.length, `${rows.length}+`);
  region.dataset.waits = "";
  startHolding(region);
  return null;
};

// The rows that the new ones push off the page. They stay until those are shown, and are marked.
const pushedRows = (list, rows, count) => {
  const left = new Set(rows.map((row) => row.id));
  const shown = rowsIn(list).filter((row) => !row.hidden);
  return shown.slice(shown.findLastIndex((row) => left.has(row.id)) + 1).slice(-count);
};

const markGone = (row) => {
  row.dataset.gone = "";
  row.title = "No longer on this page of the list.";
};

// Holds back the new rows in a fragment that is about to be swapped in whole. False if all of it waits.
export const holdNewRows = (region, fragment) => {
  const [list, next] = [listOf(region), listOf(fragment)];
  if (!next || !mayHold(region, list)) {
    holding.delete(region);
    return true;
  }
  const rows = rowsIn(next);
  const count = countNew(region, list, rows);
  if (!count) {
    if (count === 0) holding.delete(region);
    return count === 0;
  }
  for (const row of rows.slice(0, count)) row.hidden = true;
  for (const row of pushedRows(list, rows, count)) {
    const copy = row.cloneNode(true);
    markGone(copy);
    next.append(copy);
  }
  showCount(fragment, count);
  startHolding(region);
  return true;
};

// The same where only changes were sent, and `rows` are those that the list will have. Answers how many are held back; null
// if all of it waits.
export const holdRows = (region, list, rows) => {
  const count = list === listOf(region) && mayHold(region, list) ? countNew(region, list, rows) : 0;
  if (count === null) return null;
  if (list === listOf(region)) {
    if (!count) holding.delete(region);
    for (const [at, row] of rows.entries()) setHidden(row, at < count);
    showCount(region, count);
    if (count) startHolding(region);
  }
  return count;
};

// Takes rows that are gone out of a list; those that held rows push off the page are only marked.
export const dropGoneRows = (list, rows, count) => {
  const left = new Set(rows);
  const pushed = new Set(count ? pushedRows(list, rows, count) : []);
  for (const row of rowsIn(list)) {
    if (left.has(row)) continue;
    if (pushed.has(row)) markGone(row);
    else row.remove();
  }
};

export const afterRegionSwap = (region, status) => {
  rescueFocus(region);
  if (status === 200) showing.delete(region);
};
