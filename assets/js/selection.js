// Selected text stays selected: other modules ask here before they change an element.

import { refresh } from "./regions.js";

// `containsNode` makes the browser lay the page out, which is expensive after each change. Without a selection, which
// is the usual case, it is not called.
let hasSelection = false;
// Regions with selected text that was not replaced. They are requested again when nothing is selected any more.
const unreplaced = new Set();

export const isSelected = (node) => hasSelection && getSelection().containsNode(node, true);

// Whether an element has to keep its text although another one came, since it is selected.
export const keepSelected = (element, next) => {
  if (!isSelected(element) || element.textContent === next.textContent) return false;
  unreplaced.add(element.closest("[data-region]"));
  return true;
};

document.addEventListener("selectionchange", () => {
  hasSelection = getSelection()?.isCollapsed === false;
  if (hasSelection || !unreplaced.size) return;
  for (const region of unreplaced) {
    if (!region?.isConnected) continue;
    region.removeAttribute("data-etag");
    refresh(region);
  }
  unreplaced.clear();
});
