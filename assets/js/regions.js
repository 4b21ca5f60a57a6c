// Regions: what refetches itself.

const refresh = (region) => region.dispatchEvent(new CustomEvent("refresh"));
const refreshAll = () => document.querySelectorAll("[data-region]").forEach(refresh);
const regionOf = (ctx) => (ctx?.sourceElement?.matches?.("[data-region][hx-get]") ? ctx.sourceElement : null);

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  const region = regionOf(ctx);
  // Nobody has a session to ask on behalf of; what the operator asks for goes out, and leads to the sign-in page.
  if (signedOut && (region || isLive(ctx.sourceElement))) return event.preventDefault();
  // Named explicitly, the browser's cache stays out of it and hands the 304 through, which htmx does not swap. Only
  // now, because a request may have waited for another one that brought a newer tag.
  const etag = region?.dataset.etag;
  if (etag) ctx.request.headers["If-None-Match"] = `"${etag}"`;
});

// What could not be read for a page may be readable soon, though nothing changes that would be told.
setInterval(() => {
  if (document.hidden || kept !== "live") return;
  for (const unread of document.querySelectorAll("[data-unread]")) refresh(unread.closest("[data-region]"));
}, 5000);

// Morphing: what the operator opened, typed or selected stays.

const dirty = (control) => {
  if (control.matches("input[type=checkbox], input[type=radio]")) return control.checked !== control.defaultChecked;
  if (control.matches("input, textarea")) return control.value !== control.defaultValue;
  return control.matches("select") && [...control.options].some((option) => option.selected !== option.defaultSelected);
};

const held = new Set();

htmx.registerExtension("console", {
  htmx_before_morph_node: (element, { newNode }) => {
    if (!element.matches) return true;
    if (element.matches("textarea, select") && dirty(element)) return false;
    if (!element.childElementCount && selects(element) && element.textContent !== newNode.textContent) {
      held.add(element.closest("[data-region]"));
      return false;
    }
    return true;
  },
  htmx_before_morph_attr: (element, { attrName, newValue }) => {
    if (attrName === "open") return !element.matches("details, dialog");
    if (attrName === "value" || attrName === "checked") return !(element.matches("input") && dirty(element));
    if (attrName === "class" && newValue === null) return !element.classList.contains("flash");
    return attrName !== "data-copied";
  },
});

document.addEventListener("selectionchange", () => {
  if (!held.size || !getSelection()?.isCollapsed) return;
  for (const region of held) {
    if (!region?.isConnected) continue;
    region.removeAttribute("data-etag");
    refresh(region);
  }
  held.clear();
});
