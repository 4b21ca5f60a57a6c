// A region whose changes are sent alone is brought up to date row by row: the swap style `delta`.
//
// The answer names the lists of the region by their place, the rows that are gone, and the rows that are new, changed or
// moved. It holds for one version of the region; whether the page has that one is checked before.

import { ROWS, highlight } from "./changed-rows.js";
import { reducedMotion } from "./dom.js";
import { dropGoneRows, holdRows } from "./held-rows.js";
import { isSelected, keepSelected } from "./selection.js";

const isLit = (row) => !reducedMotion.matches && !row.hidden && row.matches(ROWS);

// One list of the region, and what will become of it.
const plan = (region, changes) => {
  const list = region.querySelectorAll("tbody")[Number(changes.dataset.list)];
  const present = new Map([...list.children].filter((row) => !row.hasAttribute("data-gone")).map((row) => [row.id, row]));
  const gone = new Set(changes.dataset.gone?.split(" "));
  const rows = [...changes.children];
  const placed = rows.filter((row) => row.hasAttribute("data-at"));
  const moved = new Set(placed.map((row) => row.id));
  const order = [...present.values()].filter((row) => !gone.has(row.id) && !moved.has(row.id));
  for (const row of placed) {
    order.splice(Number(row.dataset.at), 0, present.get(row.id) ?? row);
    row.removeAttribute("data-at");
  }
  return { list, present, rows, moved, order };
};

// A feed has a fixed number of rows, and each new one moves all others. They are put in anew instead of moved one by one,
// unless one of them has the focus or a selection, which an element that leaves the document loses.
const isFeed = (list) => list.closest(".feed") && !list.contains(document.activeElement) && !isSelected(list);

const arrange = ({ list, present, moved, order, held }) => {
  if (!held && isFeed(list)) return list.replaceChildren(...order);
  dropGoneRows(list, order, held);
  for (const [at, row] of order.entries()) {
    if (!moved.has(row.id)) continue;
    // Rows are placed from the first to the last, so what stands before this one is in its place.
    const before = at ? order[at - 1].nextElementSibling : list.firstElementChild;
    if (row === before) continue;
    if (present.has(row.id) && list.moveBefore) list.moveBefore(row, before);
    else list.insertBefore(row, before);
  }
};

// The plans of a region, from when its rows are held back until it is swapped.
const plans = new WeakMap();

// Prepares the changes of a region before they are swapped in. The rows that stay and changed become tasks of their own,
// for htmx to morph. Null if all of it has to wait.
export const prepareDelta = (task) => {
  const region = task.target;
  const lists = [...task.fragment.querySelectorAll("tbody[data-list]")].map((changes) => plan(region, changes));
  for (const one of lists) {
    one.held = holdRows(region, one.list, one.order);
    if (one.held === null) return null;
  }
  plans.set(region, lists);
  const morphs = [];
  for (const { present, rows } of lists) {
    for (const row of rows) {
      const old = present.get(row.id);
      if (!old) continue;
      row.hidden = old.hidden;
      const fragment = document.createDocumentFragment();
      fragment.append(row);
      morphs.push({ ...task, fragment, target: old, swapSpec: { style: "outerMorph" } });
    }
  }
  return morphs;
};

// Lights the rows of a region that were prepared above.
export const highlightDelta = (region) => {
  for (const { rows, present } of plans.get(region) ?? []) {
    for (const row of rows) {
      const shown = present.get(row.id) ?? row;
      if (shown.isConnected && isLit(shown)) highlight(shown);
    }
  }
  plans.delete(region);
};

htmx.registerExtension("console-delta", {
  handle_swap: (style, region, fragment, { etag }) => {
    if (style !== "delta") return false;
    const lists = plans.get(region) ?? [];
    lists.forEach(arrange);
    for (const value of [...fragment.children].filter((child) => child.matches("span[id]"))) {
      const old = region.querySelector(`#${CSS.escape(value.id)}`);
      if (old && !keepSelected(old, value)) old.textContent = value.textContent;
    }
    region.dataset.etag = etag;
    // What is new has to be processed by htmx.
    return lists.flatMap(({ present, rows }) => rows.filter((row) => !present.has(row.id)));
  },
});
