// Faults of requests, said where they happen.

const UNREFRESHED = "Part of this page could not be refreshed. Reload the page to see why.";

// Regions that could not be refreshed, and those that are asked for again in a moment.
const failing = new Set();
const retrying = new WeakSet();

const complain = (words, link) => {
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

const unrefreshed = (region) => {
  failing.add(region);
  complain(UNREFRESHED);
};

const refreshed = (region) => {
  failing.delete(region);
  for (const other of failing) if (!other.isConnected) failing.delete(other);
  if (failing.size) return;
  for (const p of byId("notices")?.querySelectorAll("p") ?? []) {
    if (p.textContent === UNREFRESHED) p.closest(".notice").remove();
  }
};

const retry = (region) => {
  if (retrying.has(region)) return;
  retrying.add(region);
  setTimeout(() => {
    retrying.delete(region);
    if (kept === "live" && region.isConnected) refresh(region);
  }, 3000);
};

// The session may end while nobody asks for anything. Then that is said, and only the operator leaves the page: what
// is typed here may still be worth copying.
const signOut = () => {
  if (signedOut) return;
  signedOut = true;
  releaseSlot();
  showLost();
  const why = byId("freshness")?.querySelector(".why");
  if (why) why.textContent = why.parentElement.title = "You are signed out; this page no longer changes.";
  const link = document.createElement("a");
  link.href = `/signin?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Sign in";
  complain("You are signed out.", link);
};

// Signed in from another tab, the operator went on to another page in this one.
const signedInAgain = () => {
  signedOut = false;
  heard = performance.now();
  reopen(byId("live"));
  again();
};

document.addEventListener("htmx:error", ({ detail: { ctx, error } }) => {
  const source = ctx?.sourceElement;
  if (error?.name === "AbortError" && ctx?.request?.signal?.reason !== "timeout") return;
  if (isLive(source)) reopen(source);
  else if (regionOf(ctx)) retry(source);
  else if (ctx?.request && ctx.request.method !== "GET") {
    complain("The console did not answer. What you sent may or may not have arrived; look before you send it again.");
  } else if (ctx?.request) complain("The console did not answer. This page shows what it showed before; try again.");
});

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const region = regionOf(ctx);
  if (!region) return;
  if (ctx.response.status === 401) return signOut();
  unrefreshed(region);
  if (ctx.response.status >= 500) retry(region);
});
