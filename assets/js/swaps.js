// What htmx is about to swap in is checked and prepared: a whole document is not nested, times are painted, and rows
// are held or highlighted.

import { highlightChanges, rememberRows } from "./changed-rows.js";
import { highlightDelta, prepareDelta } from "./delta.js";
import { reducedMotion } from "./dom.js";
import { failRegions } from "./faults.js";
import { showPolling } from "./freshness.js";
import { afterRegionSwap, holdNewRows } from "./held-rows.js";
import { markRefreshed } from "./notices.js";
import { isForThisPage, isForThisVersion, isRefresh, refresh, regionsOf } from "./regions.js";
import { state } from "./state.js";
import { resumeSession } from "./stream.js";
import { filterSwitcher } from "./switcher.js";
import { paintTimes, paintWithChange } from "./times.js";

// The tasks that take the place of one: none if it has to wait or came too late.
const prepared = (ctx, task) => {
  const region = task.target;
  if (!region) return [];
  if (task.swapSpec.style === "delta") {
    if (!isForThisVersion(ctx, region)) {
      refresh(region);
      return [];
    }
    const morphs = prepareDelta(task);
    return morphs ? [task, ...morphs] : [];
  }
  if (!holdNewRows(region, task.fragment)) return [];
  if (!reducedMotion.matches) rememberRows(ctx, region);
  return [task];
};

const prepareRegions = (ctx, tasks) => {
  // Before anything changes, while the browser still knows where everything is.
  paintWithChange();
  const { status } = ctx.response;
  const answered = new Set(tasks.map((task) => task.target));
  const [failed, fresh] = [[], []];
  for (const region of regionsOf(ctx)) (status < 400 || answered.has(region) ? fresh : failed).push(region);
  fresh.forEach(markRefreshed);
  if (status !== 401) failRegions(failed, status);
  tasks.splice(0, tasks.length, ...tasks.flatMap((task) => prepared(ctx, task)));
};

// A fault that comes without the bar and the rail of its address. The links of those that are shown are relative to
// another address, so the browser loads the fault as a document.
const isFaultAlone = (ctx, tasks) => ctx.target?.id === "main" && ctx.request.method === "GET" && ctx.response.status >= 400
  && !tasks.some(({ target }) => target?.id === "rail");

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx, tasks } = event.detail;
  const isDocument = /^\s*<!doctype/i.test(ctx.text ?? "") && tasks[0]?.target !== document.body;
  if (isRefresh(ctx) && !isForThisPage(ctx)) return event.preventDefault();
  if (isDocument) {
    // The answer is a whole document, for instance after the session ended. If the operator asked for it, the browser
    // goes there. A refresh in the background must not take a half-filled form away.
    event.preventDefault();
    if (isRefresh(ctx)) failRegions(regionsOf(ctx), 0);
    else location.assign(ctx.response.raw.url);
    return;
  }
  if (isFaultAlone(ctx, tasks)) {
    event.preventDefault();
    location.assign(ctx.response.raw.url);
    return;
  }
  if (state.signedOut && !isRefresh(ctx) && ctx.response?.status !== 401) resumeSession();
  for (const { fragment } of tasks) {
    showPolling(fragment.querySelector?.("#freshness"));
    paintTimes(fragment);
  }
  if (isRefresh(ctx)) prepareRegions(ctx, tasks);
});

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  for (const region of regionsOf(ctx)) {
    highlightDelta(region);
    highlightChanges(ctx, region);
    afterRegionSwap(region, ctx.response.status);
  }
  filterSwitcher();
});
