// Rows that were held back are shown when the operator asks for them, or when nobody reads the list any more.

import { highlight } from "./changed-rows.js";
import { reducedMotion } from "./dom.js";
import { holding, showCount, showing } from "./held-rows.js";
import { isBeingRead, listOf, rowsIn } from "./reading.js";
import { refresh } from "./regions.js";

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
