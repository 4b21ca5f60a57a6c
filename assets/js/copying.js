// Copying ids and secrets.

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
