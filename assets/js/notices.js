// Faults of requests are shown as notices that the operator can dismiss; those that pass take theirs away.

import { byId } from "./dom.js";

const NOT_REFRESHED = "Part of this page could not be refreshed. Reload the page to see why.";

// Regions whose last refresh failed.
const failing = new Set();

export const showNotice = (words, link) => {
  const notices = byId("notices");
  if (!notices || [...notices.querySelectorAll("p")].some((p) => p.textContent === words)) return;
  const notice = document.createElement("div");
  notice.className = "notice notice-bad";
  notice.setAttribute("role", "alert");
  const text = document.createElement("p");
  text.textContent = words;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.textContent = "Dismiss";
  dismiss.addEventListener("click", () => notice.remove());
  notice.append(text, ...(link ? [link] : []), dismiss);
  notices.append(notice);
};

export const markFailed = (region) => {
  failing.add(region);
  showNotice(NOT_REFRESHED);
};

export const markRefreshed = (region) => {
  failing.delete(region);
  for (const other of failing) if (!other.isConnected) failing.delete(other);
  if (failing.size) return;
  for (const p of byId("notices")?.querySelectorAll("p") ?? []) {
    if (p.textContent === NOT_REFRESHED) p.closest(".notice").remove();
  }
};
