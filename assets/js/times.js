// Times tick: the server writes UTC; the operator sees how long ago that was, and the exact local time on hover.

import { byId } from "./dom.js";
import { isSelected } from "./selection.js";

const exact = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

const duration = (ms) => {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
};

const relative = (ms) => {
  if (ms < -5000) return `in ${duration(-ms)}`;
  return ms < 1000 ? "now" : `${duration(ms)} ago`;
};

// A stale page shows the state of one moment, so its times stand still too. Only the age of the page goes on.
const now = () => {
  const badge = byId("freshness");
  const since = badge?.dataset.freshness === "stale" ? Date.parse(badge.querySelector("time")?.dateTime ?? "") : NaN;
  return Number.isNaN(since) ? Date.now() : since;
};

const timeText = (time, at) => {
  if (time.dataset.when === "age") return `${duration(Math.max(0, Date.now() - at))} old`;
  const ago = relative(now() - at);
  return time.dataset.when === "dated" ? `${exact.format(at)} (${ago})` : ago;
};

const paintTime = (time) => {
  const at = Date.parse(time.dateTime);
  if (Number.isNaN(at)) return;
  const text = timeText(time, at);
  if (time.textContent === text) return;
  // A text that changes costs the browser less than another one in its place.
  if (time.firstChild?.nodeType === Node.TEXT_NODE) time.firstChild.data = text;
  else time.textContent = text;
};

// The instant that a time names. The server says it once, as text, or in the attribute where the text is another one.
const instantOf = (time) => {
  if (!time.hasAttribute("datetime")) time.dateTime = time.textContent.replace(" ", "T");
  return Date.parse(time.dateTime);
};

// Called for markup before it is swapped in, so that it does not flicker and the morph finds fewer differences.
export const paintTimes = (root) => {
  for (const time of root.querySelectorAll("time")) {
    const at = instantOf(time);
    if (Number.isNaN(at)) continue;
    time.title = exact.format(at);
    paintTime(time);
  }
};

const isInView = (time) => {
  const { top, bottom } = time.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
};

let paintedAt = 0;

// Times out of view are painted when they come into it. All are looked at before any is changed, so that the browser lays
// the page out once.
const paintInView = () => {
  if (document.hidden) return;
  paintedAt = performance.now();
  const changed = [...document.querySelectorAll("time[datetime]")].filter((time) => {
    const at = Date.parse(time.dateTime);
    return !Number.isNaN(at) && time.textContent !== timeText(time, at) && isInView(time) && !isSelected(time);
  });
  changed.forEach(paintTime);
};

// Once a second. If the page changes anyway, times change with it, so that the browser draws once for both.
const isDue = () => performance.now() - paintedAt > 900;
export const paintWithChange = () => { if (isDue()) paintInView(); };
setInterval(() => { if (isDue()) paintInView(); }, 1000);

let scrolled = 0;
document.addEventListener("scroll", () => { scrolled ||= setTimeout(() => { scrolled = 0; paintInView(); }, 100); }, { passive: true });

paintTimes(document);
