// Rows that changed light for a second; new ones above what is being read wait behind a count.

// A row that sums up an experiment changes with every event of it; lighting it would never end.
const ROWS = "[data-task], [data-variant], [data-idea], [data-event]";
const before = new WeakMap();

const fingerprint = (row) => {
  let text = row.textContent;
  for (const time of row.querySelectorAll("time")) text = text.replace(time.textContent, time.dateTime);
  return text;
};

const rowsOf = (region) => new Map([...region.querySelectorAll(ROWS)].map((row) => [row.id, fingerprint(row)]));

const light = (row) => {
  row.classList.add("flash");
  setTimeout(() => {
    row.classList.remove("flash");
    if (!row.classList.length) row.removeAttribute("class");
  }, 1000);
};

const flash = (region, known) => {
  for (const row of region.querySelectorAll(ROWS)) if (known.get(row.id) !== fingerprint(row)) light(row);
};

// ---- Waiting ----

// A finger leaves the pointer where it last was.
let mouse = false;
addEventListener("pointerover", (event) => { mouse = event.pointerType === "mouse"; }, true);

// Regions some of whose rows wait, and how they came to be shown in the end.
const waiting = new Set();
const showing = new WeakSet();

const listOf = (root) => root?.querySelector?.(ROWS)?.closest("tbody") ?? null;
const rowsIn = (list) => [...list.children].filter((row) => row.id);

const isAt = (element) => (mouse && element.matches(":hover")) || element.contains(document.activeElement);

// Whoever has scrolled the head of a table away, points at its rows or at what waits above them, or is or selects inside
// them is reading it.
const reads = (list) => {
  const held = list.closest("[data-region]").querySelector("[data-held]:not([hidden])");
  return list.closest("table").getBoundingClientRect().top < (byId("bar")?.getBoundingClientRect().bottom ?? 0)
    || isAt(list)
    || (held && isAt(held))
    || selects(list);
};

// Who is at the button when it goes finds what it stood for.
const leaveHeld = (region) => {
  const held = region.querySelector("[data-held][hidden]");
  if (held?.contains(document.activeElement)) region.querySelector(".table-wrap")?.focus({ preventScroll: true });
};

const countHeld = (root, count, words = "") => {
  const held = root?.querySelector("[data-held]");
  if (!held) return;
  held.hidden = !count;
  if (!count && root.isConnected) leaveHeld(root);
  const text = held.querySelector("[data-held-count]");
  if (count) text.textContent = `${words || count} ${count === 1 ? held.dataset.one : held.dataset.many}`;
};

// Every few seconds at most is it said aloud that something waits.
const HELD_SAID_EVERY = 10000;
let heldSaidAt = -HELD_SAID_EVERY;
let sayingHeld = 0;

const sayHeld = () => {
  sayingHeld = 0;
  const region = [...waiting].find((waits) => waits.isConnected);
  const text = region?.querySelector("[data-held]:not([hidden]) [data-held-count]")?.textContent;
  if (!text) return;
  heldSaidAt = performance.now();
  announce(text);
};

const wait = (region) => {
  waiting.add(region);
  sayingHeld ||= setTimeout(sayHeld, Math.max(500, heldSaidAt + HELD_SAID_EVERY - performance.now()));
};

// Hides what is new above the first row that stands, in what is about to be swapped in. False when nothing that stands
// would be left: then all of it waits.
const hold = (region, fragment) => {
  const [list, next] = [listOf(region), listOf(fragment)];
  // That those who read have stopped is seen below, and not on the way of a pointer.
  if (!list || !next || showing.has(region) || !(waiting.has(region) || reads(list))) {
    waiting.delete(region);
    return true;
  }
  const standing = rowsIn(list).filter((row) => !row.hidden);
  const known = new Set(standing.map((row) => row.id));
  const rows = rowsIn(next);
  const first = rows.findIndex((row) => known.has(row.id));
  if (first < 0) {
    // There may be more of them than one page shows.
    countHeld(region, rows.length, `${rows.length}+`);
    region.dataset.waits = "";
    wait(region);
    return false;
  }
  if (!first) {
    waiting.delete(region);
    return true;
  }
  for (const row of rows.slice(0, first)) row.hidden = true;
  // Those that the new ones push off the page stay until they are shown, and look it.
  const left = new Set(rows.map((row) => row.id));
  const pushed = standing.slice(standing.findLastIndex((row) => left.has(row.id)) + 1).slice(-first);
  for (const row of pushed) {
    const copy = row.cloneNode(true);
    copy.dataset.gone = "";
    copy.title = "No longer on this page of the list.";
    next.append(copy);
  }
  countHeld(fragment, first);
  wait(region);
  return true;
};

const show = (region) => {
  waiting.delete(region);
  countHeld(region, 0);
  if (region.hasAttribute("data-waits")) {
    region.removeAttribute("data-waits");
    showing.add(region);
    return refresh(region);
  }
  const list = listOf(region);
  if (!list) return;
  for (const row of rowsIn(list)) {
    if (row.hasAttribute("data-gone")) row.remove();
    if (!row.hidden) continue;
    row.hidden = false;
    if (!calm.matches) light(row);
  }
};

// On the way from the rows to the button above them nothing is pointed at for a moment.
const UNREAD_FOR = 2;
const unread = new WeakMap();

setInterval(() => {
  for (const region of waiting) {
    const list = region.isConnected ? listOf(region) : null;
    if (!list) {
      waiting.delete(region);
      continue;
    }
    const times = reads(list) ? 0 : (unread.get(region) ?? 0) + 1;
    unread.set(region, times);
    if (times >= UNREAD_FOR) show(region);
  }
}, 400);

document.addEventListener("click", (event) => {
  const region = event.target.closest?.("[data-show-held]")?.closest("[data-region]");
  if (!region) return;
  const list = region.querySelector(".table-wrap");
  show(region);
  list?.scrollIntoView({ block: "start" });
  list?.focus({ preventScroll: true });
});
