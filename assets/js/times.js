// Times: the server writes UTC, the reader sees how long ago, and the exact local time on hover.

const exact = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

const span = (ms) => {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
};

const relative = (ms) => {
  if (ms < -5000) return `in ${span(-ms)}`;
  return ms < 1000 ? "now" : `${span(ms)} ago`;
};

// While the page is stale it shows how things stood at one moment, and its times stand still with it. How old that
// makes it goes on.
const asOf = () => {
  const badge = byId("freshness");
  const since = badge?.dataset.freshness === "stale" ? Date.parse(badge.querySelector("time")?.dateTime ?? "") : NaN;
  return Number.isNaN(since) ? Date.now() : since;
};

const timeText = (time, at) => {
  if (time.dataset.when === "age") return `${span(Math.max(0, Date.now() - at))} old`;
  const age = asOf() - at;
  if (time.dataset.when === "dated") return `${exact.format(at)} (${relative(age)})`;
  return relative(age);
};

const tick = (time) => {
  const at = Date.parse(time.dateTime);
  if (Number.isNaN(at)) return;
  const text = timeText(time, at);
  if (time.textContent !== text) time.textContent = text;
};

// Painting what arrives before it is swapped in spares the eye a flicker and the morph a difference.
const paint = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(time.dateTime);
    if (!Number.isNaN(at)) time.title = exact.format(at);
    tick(time);
  }
};

// Asking whether anything is selected lays the page out, which is dear between two changes of it; so it is asked once a
// selection changes.
let ranged = false;

document.addEventListener("selectionchange", () => { ranged = getSelection()?.isCollapsed === false; });

const selects = (node) => ranged && getSelection().containsNode(node, true);

setInterval(() => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[datetime]")) if (!selects(time)) tick(time);
}, 1000);

paint(document);
