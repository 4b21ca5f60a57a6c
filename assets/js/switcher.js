// The switcher, and the other sheets of the bar

const entries = () => [...document.querySelectorAll("#switcher [data-switch]")];
const matching = () => entries().filter((entry) => !entry.hidden);

function filterSwitcher() {
  const wanted = byId("switcher-filter")?.value.trim().toLowerCase() ?? "";
  for (const entry of entries()) {
    entry.hidden = !`${entry.querySelector(".switch-name")?.textContent} ${entry.dataset.switch}`.toLowerCase().includes(wanted);
  }
  const none = document.querySelector(".switcher-none[data-none]");
  if (none) none.hidden = !wanted || matching().length > 0;
}

const openSwitcher = () => {
  const switcher = byId("switcher");
  if (!switcher) return;
  switcher.open = true;
  const filter = byId("switcher-filter");
  // Opening is told of a moment later; by then something may have been typed.
  if (!filter || filter === document.activeElement) return;
  filter.select();
  filter.focus();
};

const close = (details) => {
  if (details.contains(document.activeElement)) details.querySelector("summary")?.focus();
  details.open = false;
};

document.addEventListener("toggle", (event) => {
  const details = event.target;
  if (!details.open || !details.matches?.(".bar details")) return;
  for (const other of document.querySelectorAll(".bar details[open]")) if (other !== details) other.open = false;
  if (details.id === "switcher") openSwitcher();
}, true);

document.addEventListener("click", (event) => {
  for (const details of document.querySelectorAll(".bar details[open]")) {
    if (!details.contains(event.target)) details.open = false;
  }
  if (event.target.closest?.("[data-keys]")) showKeys();
});

document.addEventListener("input", (event) => { if (event.target.id === "switcher-filter") filterSwitcher(); });

const moveInSwitcher = (event) => {
  const list = matching();
  const at = list.indexOf(document.activeElement);
  if (event.key === "ArrowDown") list[Math.min(at + 1, list.length - 1)]?.focus();
  else if (event.key === "ArrowUp") (at > 0 ? list[at - 1] : byId("switcher-filter"))?.focus();
  else if (event.key === "Home" && at >= 0) list[0]?.focus();
  else if (event.key === "End" && at >= 0) list.at(-1)?.focus();
  else if (event.key === "Enter" && event.target.id === "switcher-filter") list[0]?.click();
  else return;
  event.preventDefault();
};
