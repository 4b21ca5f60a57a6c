// Going to another page replaces only `<main>`: focus, title and stream follow it, as they would with a new document.

import { announce } from "./announce.js";
import { switchStream } from "./connection.js";
import { byId } from "./dom.js";
import { announceFreshness, skipAnnouncement } from "./freshness.js";
import { refreshAll } from "./regions.js";
import { state } from "./state.js";

let shownMain = byId("main");
// How many changes the stream had named when a page was requested. The page shows only those.
const changesBefore = new WeakMap();

const isForMain = (ctx) => ctx?.target?.id === "main";
const markBusy = (busy) => byId("main")?.setAttribute("aria-busy", String(busy));

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!isForMain(ctx)) return;
  markBusy(true);
  changesBefore.set(ctx, state.changesHeard);
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => { if (isForMain(ctx)) markBusy(false); });

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const main = byId("main");
  if (!main || main === shownMain) return announceFreshness();
  shownMain = main;
  skipAnnouncement();
  byId("notices")?.replaceChildren();
  document.body.dataset.experiment = main.dataset.experiment ?? "";
  const invalid = main.querySelector("[aria-invalid]");
  if (invalid) invalid.focus();
  else if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  switchStream(main.dataset.live);
  if (changesBefore.get(ctx) < state.changesHeard) refreshAll();
  announce(invalid ? byId(`${invalid.id}-error`)?.textContent ?? "" : main.querySelector("h1")?.textContent ?? "");
});

// When the operator goes back, the address changes at once and the page only with the answer. Links are relative to the
// address, so until then none of them may be followed.
let restoring = null;
const stopRestoring = () => {
  restoring = null;
  document.body.inert = false;
};

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!ctx.request.headers["HX-History-Restore-Request"]) return;
  restoring = ctx;
  document.body.inert = true;
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => { if (ctx === restoring) stopRestoring(); });

// No answer, so the page is not the one of the address. The browser shows what is wrong, and goes back from there.
document.addEventListener("htmx:error", ({ detail: { ctx } }) => { if (ctx === restoring) location.reload(); });

// htmx boosts links of HTML only. Links in a chart (SVG) are sent through it here.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("svg a[href]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  htmx.ajax("GET", link.getAttribute("href"), {
    target: "#main", swap: "outerHTML show:top showTarget:window", push: "true", headers: { "HX-Target": "main#main" },
  });
});
