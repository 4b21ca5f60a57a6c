// Rows that changed light for a second.

// A row that sums up an experiment changes with every event of it; lighting it would never end.
const ROWS = "[data-task], [data-variant], [data-idea], [data-event]";
const before = new WeakMap();

const fingerprint = (row) => {
  let text = row.textContent;
  for (const time of row.querySelectorAll("time")) text = text.replace(time.textContent, time.dateTime);
  return text;
};

const rowsOf = (region) => new Map([...region.querySelectorAll(ROWS)].map((row) => [row.id, fingerprint(row)]));

const flash = (region, known) => {
  for (const row of region.querySelectorAll(ROWS)) {
    if (known.get(row.id) === fingerprint(row)) continue;
    row.classList.add("flash");
    setTimeout(() => {
      row.classList.remove("flash");
      if (!row.classList.length) row.removeAttribute("class");
    }, 1000);
  }
};
