// Whether somebody is reading a list of rows.

import { ROWS } from "./changed-rows.js";
import { byId } from "./dom.js";
import { isSelected } from "./selection.js";

// The list of a region or of a fragment whose rows are held back while it is being read.
export const listOf = (root) => root?.querySelector?.(ROWS)?.closest("tbody") ?? null;
export const rowsIn = (list) => [...list.children].filter((row) => row.id);

// A touch leaves `:hover` on the element last touched, so hovering counts for a mouse only.
let mouse = false;
addEventListener("pointerover", (event) => { mouse = event.pointerType === "mouse"; }, true);

const isIn = (element) => (mouse && element.matches(":hover")) || element.contains(document.activeElement);

// A list is being read if the head of its table is scrolled away, if it has the pointer, the focus or a selection, or if
// the count above it has the pointer or the focus.
export const isBeingRead = (list) => {
  const held = list.closest("[data-region]").querySelector("[data-held]:not([hidden])");
  return list.closest("table").getBoundingClientRect().top < (byId("bar")?.getBoundingClientRect().bottom ?? 0)
    || isIn(list)
    || (held && isIn(held))
    || isSelected(list);
};
