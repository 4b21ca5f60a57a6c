// What htmx is about to swap in is checked and prepared: a whole document is not nested, times are painted, and rows
// are held or highlighted.

import { highlightChanges, rememberRows } from "./changed-rows.js";
import { reducedMotion } from "./dom.js";
import { showPolling } from "./freshness.js";
import { afterRegionSwap, holdNewRows } from "./held-rows.js";
import { markFailed, markRefreshed } from "./notices.js";
import { regionOf } from "./regions.js";
import { state } from "./state.js";
import { resumeSession } from "./stream.js";
import { filterSwitcher } from "./switcher.js";
import { paintTimes } from "./times.js";

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx, tasks } = event.detail;
  const region = regionOf(ctx);
  if (/^\s*<!doctype/i.test(ctx.text ?? "") && tasks[0]?.target !== document.body) {
    // The answer is a whole document, for instance after the session ended. If the operator asked for it, the browser
    // goes there. A refresh in the background must not take a half-filled form away.
    event.preventDefault();
    if (region) markFailed(region);
    else location.assign(ctx.response.raw.url);
    return;
  }
  if (state.signedOut && !region && ctx.response?.status !== 401) resumeSession();
  for (const { fragment } of tasks) {
    showPolling(fragment.querySelector?.("#freshness"));
    paintTimes(fragment);
  }
  if (region && ctx.response.status < 400) markRefreshed(region);
  // A 304 and a fault of a region come by here too, with nothing to swap.
  if (!region || ctx.response.status !== 200) return;
  if (!holdNewRows(region, tasks[0]?.fragment)) return event.preventDefault();
  if (!reducedMotion.matches) rememberRows(ctx, region);
});

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const region = regionOf(ctx);
  if (region) {
    highlightChanges(ctx, region);
    afterRegionSwap(region, ctx.response.status);
  }
  filterSwitcher();
});
