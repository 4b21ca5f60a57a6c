// Keys of the whole page.

// Keys without a modifier are in the way of those who speak to their computer (WCAG 2.1.4).
const SINGLE_KEYS = "switchboard.single-keys";
let singleKeys = true;
try {
  singleKeys = localStorage.getItem(SINGLE_KEYS) !== "off";
} catch {
  // A browser that keeps nothing for this site has them switched off for one page at a time.
}

const showKeys = () => {
  const choice = byId("single-keys");
  if (choice) choice.checked = singleKeys;
  const keys = byId("keys");
  keys?.showModal();
  keys?.querySelector("button")?.focus();
};

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

let leader = 0;

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  const inside = event.target.closest?.(".bar details[open]");
  if (event.key === "Escape" && inside) return close(inside);
  if (event.target.closest?.("#switcher[open]")) moveInSwitcher(event);
  if (event.defaultPrevented) return;
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openSwitcher();
  }
  if (!singleKeys || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
  const now = performance.now();
  const link = now - leader < 1200 && document.querySelector(`#rail a[data-go="${CSS.escape(event.key)}"]`);
  leader = event.key === "g" ? now : 0;
  if (link) link.click();
  else if (event.key === "s") openSwitcher();
  else if (event.key === "?") showKeys();
  else return;
  event.preventDefault();
});
