// The switcher filters experiments while the operator types and moves by arrow keys; of the bar's menus one is open.

import { byId } from "./dom.js";

const entries = () => [...document.querySelectorAll("#switcher [data-switch]")];
const matches = () => entries().filter((entry) => !entry.hidden);

export const filterSwitcher = () => {
  const wanted = byId("switcher-filter")?.value.trim().toLowerCase() ?? "";
  for (const entry of entries()) {
    const text = `${entry.querySelector(".switch-name")?.textContent} ${entry.dataset.switch}`;
    entry.hidden = !text.toLowerCase().includes(wanted);
  }
  const none = document.querySelector(".switcher-none[data-none]");
  if (none) none.hidden = !wanted || matches().length > 0;
};

export const openSwitcher = () => {
  const switcher = byId("switcher");
  if (!switcher) return;
  switcher.open = true;
  const filter = byId("switcher-filter");
  // The `toggle` event comes a moment later and calls this again. What was typed by then must not be selected.
  if (!filter || filter === document.activeElement) return;
  filter.select();
  filter.focus();
};

export const closeMenu = (menu) => {
  if (menu.contains(document.activeElement)) menu.querySelector("summary")?.focus();
  menu.open = false;
};

export const moveInSwitcher = (event) => {
  const list = matches();
  const at = list.indexOf(document.activeElement);
  if (event.key === "ArrowDown") list[Math.min(at + 1, list.length - 1)]?.focus();
  else if (event.key === "ArrowUp") (at > 0 ? list[at - 1] : byId("switcher-filter"))?.focus();
  else if (event.key === "Home" && at >= 0) list[0]?.focus();
  else if (event.key === "End" && at >= 0) list.at(-1)?.focus();
  else if (event.key === "Enter" && event.target.id === "switcher-filter") list[0]?.click();
  else return;
  event.preventDefault();
};

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.open || !menu.matches?.(".bar details")) return;
  for (const other of document.querySelectorAll(".bar details[open]")) if (other !== menu) other.open = false;
  if (menu.id === "switcher") openSwitcher();
}, true);

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".bar details[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("input", (event) => { if (event.target.id === "switcher-filter") filterSwitcher(); });
