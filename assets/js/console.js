// The console's script. Every page works without it; with it times tick, regions stay put while they change, a
// broken stream is said aloud, and the keyboard reaches everything. It holds no page knowledge and no markup.
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const announce = (words) => {
    const status = byId("announce");
    if (status) status.textContent = words;
  };

  // ---- Times: the server writes UTC, the reader sees how long ago, and the exact local time on hover. ----

  const exact = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  });

  const span = (ms) => {
    const s = Math.floor(ms / 1000);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return `${Math.floor(s / 3600)} h`;
    return `${Math.floor(s / 86400)} d`;
  };

  const relative = (ms) => {
    if (ms < -5000) return `in ${span(-ms)}`;
    return ms < 1000 ? "now" : `${span(ms)} ago`;
  };

  const timeText = (time, at) => {
    const age = Date.now() - at;
    if (time.dataset.when === "age") return `${span(Math.max(0, age))} old`;
    if (time.dataset.when === "dated") return `${exact.format(at)} (${relative(age)})`;
    return relative(age);
  };

  const tick = (time) => {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) return;
    const text = timeText(time, at);
    if (time.textContent !== text) time.textContent = text;
  };

  // Painting what arrives before it is swapped in spares the eye a flicker and the morph a difference.
  const paint = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = Date.parse(time.dateTime);
      if (!Number.isNaN(at)) time.title = exact.format(at);
      tick(time);
    }
  };

  const selects = (node) => {
    const selection = getSelection();
    return selection && !selection.isCollapsed && selection.containsNode(node, true);
  };

  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[datetime]")) if (!selects(time)) tick(time);
  }, 1000);

  // ---- Regions ----

  const refresh = (region) => region.dispatchEvent(new CustomEvent("refresh"));
  const refreshAll = () => document.querySelectorAll("[data-region]").forEach(refresh);
  const regionOf = (ctx) => (ctx?.sourceElement?.matches?.("[data-region][hx-get]") ? ctx.sourceElement : null);

  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    const region = regionOf(ctx);
    // Nobody has a session to ask on behalf of; what the operator asks for goes out, and leads to the sign-in page.
    if (signedOut && (region || ctx.sourceElement?.id === "live")) return event.preventDefault();
    // Named explicitly, the browser's cache stays out of it and hands the 304 through, which htmx does not swap. Only
    // now, because a request may have waited for another one that brought a newer tag.
    const etag = region?.dataset.etag;
    if (etag) ctx.request.headers["If-None-Match"] = `"${etag}"`;
  });

  // ---- Morphing: what the operator opened, typed or selected stays. ----

  const dirty = (control) => {
    if (control.matches("input[type=checkbox], input[type=radio]")) return control.checked !== control.defaultChecked;
    if (control.matches("input, textarea")) return control.value !== control.defaultValue;
    return control.matches("select") && [...control.options].some((option) => option.selected !== option.defaultSelected);
  };

  const held = new Set();

  htmx.registerExtension("console", {
    htmx_before_morph_node: (element, { newNode }) => {
      if (!element.matches) return true;
      if (element.matches("textarea, select") && dirty(element)) return false;
      if (!element.childElementCount && selects(element) && element.textContent !== newNode.textContent) {
        held.add(element.closest("[data-region]"));
        return false;
      }
      return true;
    },
    htmx_before_morph_attr: (element, { attrName, newValue }) => {
      if (attrName === "open") return !element.matches("details, dialog");
      if (attrName === "value" || attrName === "checked") return !(element.matches("input") && dirty(element));
      if (attrName === "class" && newValue === null) return !element.classList.contains("flash");
      return attrName !== "data-copied";
    },
  });

  document.addEventListener("selectionchange", () => {
    if (!held.size || !getSelection()?.isCollapsed) return;
    for (const region of held) {
      if (!region?.isConnected) continue;
      region.removeAttribute("data-etag");
      refresh(region);
    }
    held.clear();
  });

  // ---- Rows that changed light for a second. ----

  // A row that sums up an experiment changes with every event of it; lighting it would never end.
  const ROWS = "[data-task], [data-variant], [data-idea], [data-event]";
  const before = new WeakMap();

  const fingerprint = (row) => {
    let text = row.textContent;
    for (const time of row.querySelectorAll("time")) text = text.replace(time.textContent, time.dateTime);
    return text;
  };

  const rowsOf = (region) => new Map([...region.querySelectorAll(ROWS)].map((row) => [row.id, fingerprint(row)]));

  const flash = (region, known) => {
    for (const row of region.querySelectorAll(ROWS)) {
      if (known.get(row.id) === fingerprint(row)) continue;
      row.classList.add("flash");
      setTimeout(() => {
        row.classList.remove("flash");
        if (!row.classList.length) row.removeAttribute("class");
      }, 1000);
    }
  };

  // ---- Swaps ----

  let shown = byId("main");

  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx, tasks } = event.detail;
    const region = regionOf(ctx);
    if (/^\s*<!doctype/i.test(ctx.text ?? "") && tasks[0]?.target !== document.body) {
      // A whole document was answered, for instance after the session ended. Where the operator asked for it, it is
      // gone to instead of nested; a refetch in the background must not take a half-typed form away.
      event.preventDefault();
      if (ctx.sourceElement?.id === "live") reopen(ctx.sourceElement);
      else if (region) complain(UNREFRESHED);
      else location.assign(ctx.response.raw.url);
      return;
    }
    if (signedOut && !region && ctx.response?.status !== 401) signedInAgain();
    for (const task of tasks) paint(task.fragment);
    if (region && !calm.matches) before.set(ctx, rowsOf(region));
  });

  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    const known = before.get(ctx);
    const region = regionOf(ctx);
    if (known && region) flash(region, known);
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
    announce(faulty ? byId(`${faulty.id}-error`)?.textContent ?? "" : main.querySelector("h1")?.textContent ?? "");
  });

  const busy = (ctx, is) => {
    if (ctx?.target?.id === "main") byId("main")?.setAttribute("aria-busy", String(is));
  };
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => busy(ctx, true));
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

  // ---- The stream: topics arrive as events by themselves; here is only whether it is alive. ----

  // A beat comes every second, and silence is looked for below every 300 ms: together well within the 3 s promised.
  const SILENCE = 2400;
  let heard = performance.now();
  let connection = null;
  let lost = false;
  let signedOut = false;
  let attempts = 0;

  // Whether the page is true changes with the backend too. Said politely, and not with every flicker.
  const FRESHNESS_SAID_EVERY = 5000;
  let toldFreshness = byId("freshness")?.dataset.freshness;
  let toldFreshnessAt = -FRESHNESS_SAID_EVERY;
  let tellingFreshness = 0;

  const sayFreshness = (freshness, words) => {
    toldFreshness = freshness;
    toldFreshnessAt = performance.now();
    announce(words);
  };

  const tellFreshness = () => {
    const badge = byId("freshness");
    if (!badge || badge.hasAttribute("data-lost") || badge.dataset.freshness === toldFreshness) return;
    const wait = toldFreshnessAt + FRESHNESS_SAID_EVERY - performance.now();
    if (wait > 0) {
      tellingFreshness ||= setTimeout(() => {
        tellingFreshness = 0;
        tellFreshness();
      }, wait);
      return;
    }
    const words = [...badge.querySelectorAll(".state, .why")].map((part) => part.textContent.trim());
    sayFreshness(badge.dataset.freshness, words.join(": "));
  };

  const showLost = () => {
    const badge = byId("freshness");
    const words = byId("stream-lost");
    if (!badge || !words || badge.hasAttribute("data-lost")) return;
    // What was stale before is as old as it was; what was live is as old as the last sign of life.
    const older = badge.dataset.freshness === "live" ? null : badge.querySelector("time")?.dateTime;
    const since = older ?? new Date(Date.now() - (performance.now() - heard)).toISOString();
    const body = words.content.cloneNode(true);
    body.querySelector("time").setAttribute("datetime", since);
    badge.title = body.querySelector(".why").textContent;
    paint(body);
    badge.replaceChildren(body);
    badge.dataset.freshness = "stale";
    badge.setAttribute("data-lost", "");
    badge.removeAttribute("data-etag");
  };

  const alive = () => {
    heard = performance.now();
    attempts = 0;
    if (lost) {
      lost = false;
      sayFreshness("live", "Connection restored.");
      refreshAll();
    }
    const badge = byId("freshness");
    if (badge?.hasAttribute("data-lost")) refresh(badge);
  };

  for (const name of ["beat", "tasks", "ideas", "variants", "events", "experiment", "registry", "activity", "freshness"]) {
    document.addEventListener(name, (event) => { if (event.target.id === "live") alive(); });
  }

  document.addEventListener("htmx:sse:after:connection", ({ detail }) => {
    connection = detail.connection;
    heard = performance.now();
  });
  // An error is a reason to doubt, but it may mend within the second.
  document.addEventListener("htmx:sse:error", ({ detail }) => {
    if (detail.status === 401) return signOut();
    heard = Math.min(heard, performance.now() - SILENCE + 800);
  });
  document.addEventListener("htmx:sse:before:connection", (event) => { if (signedOut) event.preventDefault(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) heard = performance.now(); });

  setInterval(() => {
    const live = byId("live");
    if (document.hidden || signedOut || !live?.hasAttribute("hx-sse:connect")) return;
    const silence = performance.now() - heard;
    if (silence < SILENCE) return;
    if (!lost) sayFreshness("stale", "Connection to the console lost; retrying.");
    lost = true;
    showLost();
    // A connection that is open but silent is not closed by itself.
    if (silence > 8000 && connection?.reader) connection.reader.cancel();
  }, 300);

  // The extension reconnects a stream it once had; one that never came up is opened anew here.
  const reopening = new WeakSet();

  const reopen = (live) => {
    if (reopening.has(live)) return;
    reopening.add(live);
    const wait = Math.min(10000, 1000 * 2 ** attempts++) * (0.75 + Math.random() / 2);
    heard = Math.min(heard, performance.now() - SILENCE + 800);
    setTimeout(() => {
      if (!live.isConnected) return;
      const fresh = live.cloneNode(false);
      fresh.removeAttribute("data-htmx-powered");
      fresh.removeAttribute("class");
      live.replaceWith(fresh);
      htmx.process(fresh);
    }, wait);
  };

  // ---- Faults of requests ----

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
    const live = byId("live");
    if (live) reopen(live);
  };

  document.addEventListener("htmx:error", ({ detail: { ctx, error } }) => {
    const source = ctx?.sourceElement;
    if (error?.name === "AbortError" && ctx?.request?.signal?.reason !== "timeout") return;
    if (source?.id === "live") reopen(source);
    else if (regionOf(ctx)) setTimeout(() => { if (!lost && source.isConnected) refresh(source); }, 3000);
    else if (ctx?.request && ctx.request.method !== "GET") {
      complain("The console did not answer. What you sent may or may not have arrived; look before you send it again.");
    } else if (ctx?.request) complain("The console did not answer. This page shows what it showed before; try again.");
  });

  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
    const live = ctx.sourceElement?.id === "live";
    const region = regionOf(ctx);
    if (ctx.response.status === 401 && (live || region)) signOut();
    else if (live) reopen(ctx.sourceElement);
    else if (region) complain(UNREFRESHED);
  });

  // ---- Copying ----

  const copyText = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Plain HTTP on another host has no clipboard interface; the old way still works there.
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "sr";
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };

  document.addEventListener("click", async (event) => {
    const source = event.target.closest?.("[data-copy], [data-copy-from]");
    if (!source) return;
    // A secret stands in the page once, is copied from there, and is not read out.
    const from = source.dataset.copyFrom;
    const done = await copyText(from ? byId(from)?.textContent ?? "" : source.dataset.copy);
    source.focus({ preventScroll: true });
    source.dataset.copied = done ? "done" : "failed";
    const copied = from ? "Copied." : `Copied ${source.dataset.copy}`;
    announce(done ? copied : "Not copied; select the text instead.");
    setTimeout(() => source.removeAttribute("data-copied"), 1500);
  });

  // ---- Forms whose answer comes once: a second press would throw the answer to the first away. ----

  const ANSWERED_WITHIN = 10000;
  const sentAt = new WeakMap();

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches?.("form[data-once]")) return;
    if (performance.now() - (sentAt.get(form) ?? -ANSWERED_WITHIN) < ANSWERED_WITHIN) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    sentAt.set(form, performance.now());
  }, true);

  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => sentAt.delete(ctx?.sourceElement ?? document));

  // ---- The switcher, and the other sheets of the bar ----

  const entries = () => [...document.querySelectorAll("#switcher [data-switch]")];
  const matching = () => entries().filter((entry) => !entry.hidden);

  function filterSwitcher() {
    const wanted = byId("switcher-filter")?.value.trim().toLowerCase() ?? "";
    for (const entry of entries()) {
      entry.hidden = !`${entry.querySelector(".switch-name")?.textContent} ${entry.dataset.switch}`.toLowerCase().includes(wanted);
    }
    const none = document.querySelector(".switcher-none[data-none]");
    if (none) none.hidden = !wanted || matching().length > 0;
  }

  const openSwitcher = () => {
    const switcher = byId("switcher");
    if (!switcher) return;
    switcher.open = true;
    const filter = byId("switcher-filter");
    // Opening is told of a moment later; by then something may have been typed.
    if (!filter || filter === document.activeElement) return;
    filter.select();
    filter.focus();
  };

  const close = (details) => {
    if (details.contains(document.activeElement)) details.querySelector("summary")?.focus();
    details.open = false;
  };

  document.addEventListener("toggle", (event) => {
    const details = event.target;
    if (!details.open || !details.matches?.(".bar details")) return;
    for (const other of document.querySelectorAll(".bar details[open]")) if (other !== details) other.open = false;
    if (details.id === "switcher") openSwitcher();
  }, true);

  document.addEventListener("click", (event) => {
    for (const details of document.querySelectorAll(".bar details[open]")) {
      if (!details.contains(event.target)) details.open = false;
    }
    if (event.target.closest?.("[data-keys]")) showKeys();
  });

  document.addEventListener("input", (event) => { if (event.target.id === "switcher-filter") filterSwitcher(); });

  const moveInSwitcher = (event) => {
    const list = matching();
    const at = list.indexOf(document.activeElement);
    if (event.key === "ArrowDown") list[Math.min(at + 1, list.length - 1)]?.focus();
    else if (event.key === "ArrowUp") (at > 0 ? list[at - 1] : byId("switcher-filter"))?.focus();
    else if (event.key === "Home" && at >= 0) list[0]?.focus();
    else if (event.key === "End" && at >= 0) list.at(-1)?.focus();
    else if (event.key === "Enter" && event.target.id === "switcher-filter") list[0]?.click();
    else return;
    event.preventDefault();
  };

  // ---- Keys ----

  // Keys without a modifier are in the way of those who speak to their computer (WCAG 2.1.4).
  const SINGLE_KEYS = "switchboard.single-keys";
  let singleKeys = true;
  try {
    singleKeys = localStorage.getItem(SINGLE_KEYS) !== "off";
  } catch {
    // A browser that keeps nothing for this site has them switched off for one page at a time.
  }

  const showKeys = () => {
    const choice = byId("single-keys");
    if (choice) choice.checked = singleKeys;
    const keys = byId("keys");
    keys?.showModal();
    keys?.querySelector("button")?.focus();
  };

  document.addEventListener("change", (event) => {
    if (event.target.id !== "single-keys") return;
    singleKeys = event.target.checked;
    try {
      if (singleKeys) localStorage.removeItem(SINGLE_KEYS);
      else localStorage.setItem(SINGLE_KEYS, "off");
    } catch {
      // As above.
    }
  });

  addEventListener("storage", (event) => {
    if (event.key === SINGLE_KEYS || event.key === null) singleKeys = event.newValue !== "off";
  });

  let leader = 0;

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const inside = event.target.closest?.(".bar details[open]");
    if (event.key === "Escape" && inside) return close(inside);
    if (event.target.closest?.("#switcher[open]")) moveInSwitcher(event);
    if (event.defaultPrevented) return;
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return openSwitcher();
    }
    if (!singleKeys || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
    const now = performance.now();
    const link = now - leader < 1200 && document.querySelector(`#rail a[data-go="${CSS.escape(event.key)}"]`);
    leader = event.key === "g" ? now : 0;
    if (link) link.click();
    else if (event.key === "s") openSwitcher();
    else if (event.key === "?") showKeys();
    else return;
    event.preventDefault();
  });

  paint(document);
})();
