// Faults of requests, said where they happen.

const UNREFRESHED = "Part of this page could not be refreshed. Reload the page to see why.";

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
  else if (regionOf(ctx)) setTimeout(() => { if (kept === "live" && source.isConnected) refresh(source); }, 3000);
  else if (ctx?.request && ctx.request.method !== "GET") {
    complain("The console did not answer. What you sent may or may not have arrived; look before you send it again.");
  } else if (ctx?.request) complain("The console did not answer. This page shows what it showed before; try again.");
});

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (!regionOf(ctx)) return;
  if (ctx.response.status === 401) signOut();
  else complain(UNREFRESHED);
});
