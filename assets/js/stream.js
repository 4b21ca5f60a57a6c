// The page follows the server by an event stream. Its events name what changed, and regions that show it listen for
// them; here is what each message, fault and pause of the stream means for the page as a whole.

import { closeConnection, isManaged, isStream, openInSlot, openStream, reopenStream, suspectSilence } from "./connection.js";
import { byId } from "./dom.js";
import { announceFreshness, showPolling } from "./freshness.js";
import { poll, schedulePoll, stopPolling } from "./polling.js";
import { refresh, refreshAll, refreshTopics } from "./regions.js";
import { endSession } from "./session.js";
import { state } from "./state.js";
import { mayStream, releaseSlot } from "./stream-slots.js";

const confirmLive = () => {
  state.heardAt = performance.now();
  state.reachedAt = state.heardAt;
  state.confirmed = true;
  state.attempts = 0;
  const badge = byId("freshness");
  if (state.mode !== "live") {
    state.mode = "live";
    stopPolling();
    badge?.removeAttribute("data-etag");
    refreshAll();
  } else if (badge?.dataset.kept) refresh(badge);
  // The page was hidden while the stream was being opened.
  if (document.hidden) closeConnection();
};

document.addEventListener("htmx:sse:after:message", ({ detail: { message } }) => {
  if (!message.event) return;
  if (message.event !== "beat") state.changesHeard += 1;
  confirmLive();
  if (message.event === "changed") refreshTopics(message.data.split(" "));
  else if (message.event === "resync") refreshAll();
});

// A stream is opened in a slot only. Without one the page polls.
const openOrPoll = async (live) => {
  if ((await openInSlot(live)) || document.hidden || state.signedOut || state.mode !== "live") return;
  state.mode = "shared";
  showPolling(byId("freshness"));
  announceFreshness();
  schedulePoll();
};

// The last request for the stream.
let request = null;

document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  const live = ctx.sourceElement;
  if (!isStream(live)) return;
  if (mayStream() && !state.signedOut) {
    request = ctx.request;
    return;
  }
  event.preventDefault();
  if (!state.signedOut) openOrPoll(live);
});

// The extension for streams takes what is a stream. Anything else comes by here: a fault, or a page of another server.
htmx.registerExtension("console-stream", {
  htmx_before_response: (live, { ctx: { response } }) => {
    if (!isStream(live)) return true;
    response.raw.body?.cancel().catch(() => null);
    if (response.status === 401) endSession();
    else reopenStream(live);
    return false;
  },
});

document.addEventListener("htmx:sse:before:connection", (event) => {
  const { target: live, detail: { connection } } = event;
  if (state.signedOut) return event.preventDefault();
  // The first attempt has its answer already, and a slot.
  if (!connection.attempt) return;
  // The extension reconnects without a look at what answers. That is right only after a message, which shows that the
  // console answered; otherwise the stream is opened anew.
  if (mayStream() && state.confirmed) return;
  event.preventDefault();
  if (mayStream()) reopenStream(live);
  else openOrPoll(live);
});

document.addEventListener("htmx:sse:error", ({ detail }) => {
  if (detail.status === 401) endSession();
  else suspectSilence();
});

document.addEventListener("visibilitychange", () => {
  const live = byId("live");
  if (document.hidden) {
    // The browser may keep a page that was left for the back button, and with it the connection of a request that was
    // not answered by then. Once it is answered the extension ends it.
    if (!isManaged(live)) request?.abort();
    return releaseSlot();
  }
  state.heardAt = performance.now();
  if (state.mode !== "live") poll();
  if (live && !isManaged(live)) openStream(live);
});

// The operator signed in again in another tab, and then went on to another page in this one.
export const resumeSession = () => {
  state.signedOut = false;
  state.heardAt = performance.now();
  reopenStream(byId("live"));
  schedulePoll();
};
