// Forms whose answer comes once: a second press would throw the answer to the first away.

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
