// Forms whose answer is shown once (`data-once`) ignore a second press, which would discard the first answer.

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
