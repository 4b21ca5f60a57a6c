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

// How long a row is lit, in milliseconds. If another change comes a little earlier, it goes out with that, so that the
// browser draws once for both; if none comes, it goes out a little later.
const LIT = 1000;
const SLACK_LIT = 200;

// When each row that is lit was lit.
const litAt = new Map();

const putOut = () => {
  for (const [row, at] of litAt) {
    if (performance.now() - at < LIT - SLACK_LIT) continue;
    litAt.delete(row);
    row.classList.remove("flash");
    if (!row.classList.length) row.removeAttribute("class");
  }
};

export const highlight = (row) => {
  putOut();
  litAt.set(row, performance.now());
  row.classList.add("flash");
  setTimeout(putOut, LIT + SLACK_LIT);
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
