// A session that ends in the background is said at once, and the page stays: what was typed may still be copied.

import { byId } from "./dom.js";
import { showLost } from "./freshness.js";
import { showNotice } from "./notices.js";
import { state } from "./state.js";
import { releaseSlot } from "./stream-slots.js";

export const endSession = () => {
  if (state.signedOut) return;
  state.signedOut = true;
  releaseSlot();
  showLost();
  const why = byId("freshness")?.querySelector(".why");
  if (why) why.textContent = why.parentElement.title = "You are signed out; this page no longer changes.";
  const link = document.createElement("a");
  link.href = `/signin?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Sign in";
  showNotice("You are signed out.", link);
};
