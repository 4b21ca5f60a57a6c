// What the operator opened, typed or selected in a region survives its refresh.

import { refresh } from "./regions.js";
import { isSelected } from "./selection.js";

const isDirty = (control) => {
  if (control.matches("input[type=checkbox], input[type=radio]")) return control.checked !== control.defaultChecked;
  if (control.matches("input, textarea")) return control.value !== control.defaultValue;
  return control.matches("select") && [...control.options].some((option) => option.selected !== option.defaultSelected);
};

// Regions with selected text that was not replaced. They are requested again when nothing is selected any more.
const outdated = new Set();

htmx.registerExtension("console", {
  htmx_before_morph_node: (element, { newNode }) => {
    if (!element.matches) return true;
    if (element.matches("textarea, select") && isDirty(element)) return false;
    if (!element.childElementCount && isSelected(element) && element.textContent !== newNode.textContent) {
      outdated.add(element.closest("[data-region]"));
      return false;
    }
    return true;
  },
  htmx_before_morph_attr: (element, { attrName, newValue }) => {
    if (attrName === "open") return !element.matches("details, dialog");
    if (attrName === "value" || attrName === "checked") return !(element.matches("input") && isDirty(element));
    if (attrName === "class" && newValue === null) return !element.classList.contains("flash");
    return attrName !== "data-copied";
  },
});

document.addEventListener("selectionchange", () => {
  if (!outdated.size || !getSelection()?.isCollapsed) return;
  for (const region of outdated) {
    if (!region?.isConnected) continue;
    region.removeAttribute("data-etag");
    refresh(region);
  }
  outdated.clear();
});
