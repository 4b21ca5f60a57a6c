// Requests that fail are retried where that is safe, and otherwise reported to the operator.

import { isStream, reopenStream } from "./connection.js";
import { markFailed, showNotice } from "./notices.js";
import { isRefresh, refresh, regionsOf } from "./regions.js";
import { endSession } from "./session.js";
import { state } from "./state.js";

const retrying = new WeakSet();

const retry = (region) => {
  if (retrying.has(region)) return;
  retrying.add(region);
  setTimeout(() => {
    retrying.delete(region);
    if (state.mode === "live" && region.isConnected) refresh(region);
  }, 3000);
};

document.addEventListener("htmx:error", ({ detail: { ctx, error } }) => {
  const source = ctx?.sourceElement;
  if (error?.name === "AbortError" && ctx?.request?.signal?.reason !== "timeout") return;
  if (isStream(source)) reopenStream(source);
  else if (isRefresh(ctx)) regionsOf(ctx).forEach(retry);
  else if (ctx?.request && ctx.request.method !== "GET") {
    showNotice("The console did not answer. What you sent may or may not have arrived; look before you send it again.");
  } else if (ctx?.request) showNotice("The console did not answer. This page shows what it showed before; try again.");
});

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (isRefresh(ctx) && ctx.response.status === 401) endSession();
});

// Regions that the console could not draw keep their content. A fault of the console or of a server may be over soon.
export const failRegions = (regions, status) => {
  regions.forEach(markFailed);
  if (status >= 500) regions.forEach(retry);
};
