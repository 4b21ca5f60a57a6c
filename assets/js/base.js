// The console's script, in files by concern that share one scope and are served as one. Every page works without it;
// with it times tick, regions stay put while they change, a broken stream is said aloud, and the keyboard reaches
// everything. It holds no page knowledge and no markup.

const byId = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const announce = (words) => {
  const status = byId("announce");
  if (status) status.textContent = words;
};
