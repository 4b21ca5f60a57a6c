// Screen readers hear what changes without a page load, and not more often than they can follow.

import { byId } from "./dom.js";

export const announce = (words) => {
  const status = byId("announce");
  if (status) status.textContent = words;
};

// A function that calls `say` after `delay` ms, but not within `interval` ms of the last time that it said something,
// which `say` returns. Calls in between become one.
export const spaced = (say, interval, delay = 0) => {
  let saidAt = -Infinity;
  let timer = 0;
  const run = () => {
    timer = 0;
    if (say()) saidAt = performance.now();
  };
  return () => {
    const wait = Math.max(delay, saidAt + interval - performance.now());
    if (wait > 0) timer ||= setTimeout(run, wait);
    else run();
  };
};
