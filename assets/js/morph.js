// What the operator opened, typed or selected in a region survives its refresh.

import { keepSelected } from "./selection.js";

const isDirty = (control) => {
  if (control.matches("input[type=checkbox], input[type=radio]")) return control.checked !== control.defaultChecked;
  if (control.matches("input, textarea")) return control.value !== control.defaultValue;
  return control.matches("select") && [...control.options].some((option) => option.selected !== option.defaultSelected);
};

htmx.registerExtension("console", {
  htmx_before_morph_node: (element, { newNode }) => {
    if (!element.matches) return true;
    if (element.matches("textarea, select") && isDirty(element)) return false;
    return element.childElementCount > 0 || !keepSelected(element, newNode);
  },
  htmx_before_morph_attr: (element, { attrName, newValue }) => {
    if (attrName === "open") return !element.matches("details, dialog");
    if (attrName === "value" || attrName === "checked") return !(element.matches("input") && isDirty(element));
    if (attrName === "class" && newValue === null) return !element.classList.contains("flash");
    return attrName !== "data-copied";
  },
});
