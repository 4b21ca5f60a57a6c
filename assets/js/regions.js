// Regions are requested again by themselves when what they show has changed, and only their changes are sent.

import { state } from "./state.js";

export const refresh = (region) => region.dispatchEvent(new CustomEvent("refresh"));
export const refreshAll = () => document.querySelectorAll("[data-region]").forEach(refresh);

// The region that a request of htmx is for, if it is for one.
export const regionOf = (ctx) => (ctx?.sourceElement?.matches?.("[data-region][hx-get]") ? ctx.sourceElement : null);

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  const region = regionOf(ctx);
  if (!region) return;
  // There is no session to ask with. What the operator asks for is sent, and leads to the sign-in page.
  if (state.signedOut) return event.preventDefault();
  // With an explicit header the browser's cache passes the 304 on, which htmx does not swap. The tag is read only now,
  // because the request may have waited for an earlier one that brought a newer tag.
  const etag = region.dataset.etag;
  if (etag) ctx.request.headers["If-None-Match"] = `"${etag}"`;
});

// What could not be read for the page may be readable soon, but no event will say so.
setInterval(() => {
  if (document.hidden || state.mode !== "live") return;
  for (const unread of document.querySelectorAll("[data-unread]")) refresh(unread.closest("[data-region]"));
}, 5000);
