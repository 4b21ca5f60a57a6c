// Keys lead to the sections that have one, to the switcher and to the list of keys.

import { byId } from "./dom.js";
import { closeMenu, moveInSwitcher, openSwitcher } from "./switcher.js";

// Keys without a modifier disturb those who dictate to their computer, so they can be switched off (WCAG 2.1.4).
const SINGLE_KEYS = "switchboard.single-keys";
let singleKeys = true;
try {
  singleKeys = localStorage.getItem(SINGLE_KEYS) !== "off";
} catch {
  // A browser that stores nothing for this site forgets the choice with the page.
}

// `g`, then a second key within this time, leads to a page.
const SEQUENCE_WITHIN = 1200;
let leaderAt = 0;

const showKeys = () => {
  const choice = byId("single-keys");
  if (choice) choice.checked = singleKeys;
  const keys = byId("keys");
  keys?.showModal();
  keys?.querySelector("button")?.focus();
};

document.addEventListener("click", (event) => { if (event.target.closest?.("[data-keys]")) showKeys(); });

document.addEventListener("change", (event) => {
  if (event.target.id !== "single-keys") return;
  singleKeys = event.target.checked;
  try {
    if (singleKeys) localStorage.removeItem(SINGLE_KEYS);
    else localStorage.setItem(SINGLE_KEYS, "off");
  } catch {
    // As above.
  }
});

addEventListener("storage", (event) => {
  if (event.key === SINGLE_KEYS || event.key === null) singleKeys = event.newValue !== "off";
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || document.body.inert) return;
  const menu = event.target.closest?.(".bar details[open]");
  if (event.key === "Escape" && menu) return closeMenu(menu);
  if (event.target.closest?.("#switcher[open]")) moveInSwitcher(event);
  if (event.defaultPrevented) return;
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openSwitcher();
  }
  if (!singleKeys || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
  const now = performance.now();
  const link = now - leaderAt < SEQUENCE_WITHIN && document.querySelector(`#rail a[data-go="${CSS.escape(event.key)}"]`);
  leaderAt = event.key === "g" ? now : 0;
  if (link) link.click();
  else if (event.key === "s") openSwitcher();
  else if (event.key === "?") showKeys();
  else return;
  event.preventDefault();
});
