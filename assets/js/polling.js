// While the stream is silent the page is refreshed every five seconds, or says that the console does not answer.

import { closeConnection, isSilent, openStream } from "./connection.js";
import { byId } from "./dom.js";
import { announceFreshness, showLost } from "./freshness.js";
import { refreshAll } from "./regions.js";
import { endSession } from "./session.js";
import { state } from "./state.js";
import { mayStream, takeSlot } from "./stream-slots.js";

const INTERVAL = 5000;
// A connection that is open and silent for this long is closed here, since nothing else closes it.
const GIVEN_UP_AFTER = 8000;

let pollTimer = 0;

// Whether the console answers, and not for instance the sign-in page of a gateway. Asked with `fetch` and not through a
// region, since a request of a region waits for the one before it.
const isReachable = async () => {
  const badge = byId("freshness");
  if (!badge) return false;
  try {
    const headers = { "HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#freshness" };
    const response = await fetch(byId("main").dataset.page, { headers, cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (response.status === 401) endSession();
    return response.ok && (await response.text()).includes('id="freshness"');
  } catch {
    return false;
  }
};

const announceLost = () => {
  showLost();
  announceFreshness();
};

export const poll = async () => {
  if (state.mode === "live" || state.signedOut) return;
  schedulePoll();
  if (document.hidden) return;
  if (!mayStream() && (await takeSlot())) return openStream(byId("live"));
  const reachable = await isReachable();
  if (state.mode === "live" || state.signedOut) return;
  if (!reachable) {
    if (state.mode !== "lost") announceLost();
    return;
  }
  state.reachedAt = performance.now();
  const mode = mayStream() ? "blocked" : "shared";
  if (state.mode !== mode) byId("freshness")?.removeAttribute("data-etag");
  state.mode = mode;
  refreshAll();
};

export const stopPolling = () => clearTimeout(pollTimer);

// With jitter, so that windows that lost the console together do not come back together.
export const schedulePoll = () => {
  stopPolling();
  pollTimer = setTimeout(poll, INTERVAL * (0.9 + Math.random() / 5));
};

setInterval(() => {
  if (document.hidden || state.signedOut || !byId("live")?.hasAttribute("hx-sse:connect")) return;
  // A page swapped in meanwhile brought a badge that does not know.
  if (state.mode === "lost") showLost();
  if (state.mode === "live" && isSilent()) {
    announceLost();
    poll();
  }
  const quietSince = Math.max(state.heardAt, state.openedAt);
  if (state.mode !== "live" && performance.now() - quietSince > GIVEN_UP_AFTER) closeConnection();
}, 300);
