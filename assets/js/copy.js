// Ids and secrets are copied by a button.

import { announce } from "./announce.js";
import { byId } from "./dom.js";

const copyText = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP from another host there is no clipboard interface. The older way works there.
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
  // A secret is only in the element that shows it. It is copied from there, and not announced.
  const from = source.dataset.copyFrom;
  const done = await copyText(from ? byId(from)?.textContent ?? "" : source.dataset.copy);
  source.focus({ preventScroll: true });
  source.dataset.copied = done ? "done" : "failed";
  const copied = from ? "Copied." : `Copied ${source.dataset.copy}`;
  announce(done ? copied : "Not copied; select the text instead.");
  setTimeout(() => source.removeAttribute("data-copied"), 1500);
});
