// What all modules need from the document: elements by id, and whether the operator wants motion.

export const byId = (id) => document.getElementById(id);
export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
