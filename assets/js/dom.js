// What all modules need from the document: elements by id, and whether the operator wants motion.

export const byId = (id) => document.getElementById(id);
// Shows or hides an element. An attribute that is set again has the styles of the whole page computed again.
export const setHidden = (element, hidden) => { if (element.hidden !== hidden) element.hidden = hidden; };
export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
