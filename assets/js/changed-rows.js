// Rows that a refresh changed are highlighted for a second.

// A row that sums up an experiment is not one of them: it changes with every event and would always be lit.
export const ROWS = "[data-task], [data-variant], [data-idea], [data-event]";

// The rows of each region before a swap, by the request that the swap answers.
const rowsBefore = new WeakMap();

// The text of a row, with exact times in place of relative ones, which change by themselves.
const fingerprint = (row) => {
  let text = row.textContent;
  for (const time of row.querySelectorAll("time")) text = text.replace(time.textContent, time.dateTime);
  return text;
};

export const highlight = (row) => {
  row.classList.add("flash");
  setTimeout(() => {
    row.classList.remove("flash");
    if (!row.classList.length) row.removeAttribute("class");
  }, 1000);
};

export const rememberRows = (ctx, region) => {
  const regions = rowsBefore.get(ctx) ?? new Map();
  regions.set(region, new Map([...region.querySelectorAll(ROWS)].map((row) => [row.id, fingerprint(row)])));
  rowsBefore.set(ctx, regions);
};

export const highlightChanges = (ctx, region) => {
  const known = rowsBefore.get(ctx)?.get(region);
  if (!known) return;
  for (const row of region.querySelectorAll(ROWS)) if (known.get(row.id) !== fingerprint(row)) highlight(row);
};
