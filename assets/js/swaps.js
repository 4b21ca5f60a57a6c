// What htmx is about to put into the page.

let shown = byId("main");
// How many topics had been heard when a page was asked for. It is drawn from what was known then.
const heardBefore = new WeakMap();

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx, tasks } = event.detail;
  const region = regionOf(ctx);
  if (/^\s*<!doctype/i.test(ctx.text ?? "") && tasks[0]?.target !== document.body) {
    // A whole document was answered, for instance after the session ended. Where the operator asked for it, it is
    // gone to instead of nested; a refetch in the background must not take a half-typed form away.
    event.preventDefault();
    if (region) unrefreshed(region);
    else location.assign(ctx.response.raw.url);
    return;
  }
  if (signedOut && !region && ctx.response?.status !== 401) signedInAgain();
  for (const { fragment } of tasks) {
    showRefreshed(fragment.querySelector?.("#freshness"));
    paint(fragment);
  }
  if (region && ctx.response.status < 400) refreshed(region);
  // What is unchanged, or a fault, comes by here too, with nothing to swap.
  if (!region || ctx.response.status !== 200) return;
  if (!hold(region, tasks[0]?.fragment)) return event.preventDefault();
  if (!calm.matches) before.set(ctx, rowsOf(region));
});

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const known = before.get(ctx);
  const region = regionOf(ctx);
  if (known && region) flash(region, known);
  if (region) leaveHeld(region);
  if (region && ctx.response.status === 200) showing.delete(region);
  filterSwitcher();
  const main = byId("main");
  if (!main || main === shown) return tellFreshness();
  shown = main;
  toldFreshness = byId("freshness")?.dataset.freshness;
  byId("notices")?.replaceChildren();
  document.body.dataset.experiment = main.dataset.experiment ?? "";
  const faulty = main.querySelector("[aria-invalid]");
  if (faulty) faulty.focus();
  else if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  follow(main.dataset.live);
  if (heardBefore.get(ctx) < topicsHeard) refreshAll();
  announce(faulty ? byId(`${faulty.id}-error`)?.textContent ?? "" : main.querySelector("h1")?.textContent ?? "");
});

const busy = (ctx, is) => {
  if (ctx?.target?.id === "main") byId("main")?.setAttribute("aria-busy", String(is));
};
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  busy(ctx, true);
  if (ctx?.target?.id === "main") heardBefore.set(ctx, topicsHeard);
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => busy(ctx, false));

// htmx boosts links of HTML only; those of a drawing lead through it too.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("svg a[href]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  htmx.ajax("GET", link.getAttribute("href"), {
    target: "#main", swap: "outerHTML show:top showTarget:window", push: "true", headers: { "HX-Target": "main#main" },
  });
});
