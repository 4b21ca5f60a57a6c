// The switcher filters experiments while the operator types, asks the console where it lists only some of them, and moves
// by arrow keys; of the bar's menus one is open.

import { announce } from "./announce.js";
import { byId, setHidden } from "./dom.js";
import { endSession } from "./session.js";
import { state } from "./state.js";

// The pause in typing after which the console is asked, and how long it has to answer, in milliseconds.
const PAUSE = 120;
const ANSWERED_WITHIN = 8000;

// What is looked for: the words, the element for the answer, and what became of it ("waiting", "answered", "failed").
// Each change of the words begins another search, so the answer to an earlier one is never shown. With `enter`, Enter was
// pressed before the answer.
let search = { words: "", found: null };

const typed = () => byId("switcher-filter")?.value.trim().toLowerCase() ?? "";
const entries = () => [...(byId("switcher-entries")?.querySelectorAll(":scope > button") ?? [])];
const matches = () => [...(search.status === "answered" ? search.found.querySelectorAll("button") : entries())].filter((entry) => !entry.hidden);

const textOf = (entry) => `${entry.querySelector(".switch-name")?.textContent} ${entry.id.slice("switch-".length)}`.toLowerCase();

const show = () => {
  const { words, found, status } = search;
  for (const entry of entries()) setHidden(entry, status === "answered" || !textOf(entry).includes(words));
  if (found) setHidden(found, status !== "answered");
  const say = (selector, isSaid) => byId("switcher-entries")?.querySelector(selector)?.toggleAttribute("hidden", !isSaid);
  say("[data-none]", words && !matches().length);
  say("[data-unanswered]", status === "failed");
};

const fetchMatches = async ({ words, found, abort }) => {
  const headers = { "HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#switcher-found" };
  const response = await fetch(`${found.dataset.search}?q=${encodeURIComponent(words)}`, { headers, signal: abort.signal });
  if (response.status === 401) endSession();
  const text = response.ok ? await response.text() : "";
  return new DOMParser().parseFromString(text, "text/html").getElementById("switcher-found");
};

const ask = async (asked) => {
  clearTimeout(asked.timer);
  if (asked.isSent) return;
  asked.isSent = true;
  asked.timer = setTimeout(() => asked.abort.abort(), ANSWERED_WITHIN);
  const answer = state.signedOut ? null : await fetchMatches(asked).catch(() => null);
  clearTimeout(asked.timer);
  if (search !== asked || !asked.found.isConnected) return;
  asked.status = answer ? "answered" : "failed";
  asked.found.replaceChildren(...(answer?.childNodes ?? []));
  const focused = document.activeElement;
  show();
  announce(asked.found.querySelector("p")?.textContent ?? "");
  // What had the focus may be replaced by the answer.
  if (entries().includes(focused) && focused.hidden) byId("switcher-filter").focus();
  if (answer && asked.enter && byId("switcher").open) matches()[0]?.click();
};

// Shows what matches the words that are typed now. Called after each swap too, since the list may be another then.
export const filterSwitcher = () => {
  const [words, found] = [typed(), byId("switcher-found")];
  if (words !== search.words || found !== search.found) {
    clearTimeout(search.timer);
    search.abort?.abort();
    search = { words, found };
    if (words && found) {
      search.status = "waiting";
      search.abort = new AbortController();
      search.timer = setTimeout(ask, PAUSE, search);
    }
  }
  show();
};

// The first match is chosen once it is known which that is.
const chooseFirst = () => {
  filterSwitcher();
  if (search.status !== "waiting") return matches()[0]?.click();
  search.enter = true;
  ask(search);
};

// What a search found stays when the list around it is refreshed.
htmx.registerExtension("switcher", { htmx_before_morph_node: (element) => element.id !== "switcher-found" });

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
  search.enter = false;
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
  else if (event.key === "Enter" && event.target.id === "switcher-filter") chooseFirst();
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
