// Pages still load when many windows are open: at most four of a browser's windows have a stream at a time. Over
// HTTP/1.1 a browser opens six connections to a host, and each stream occupies one.

const SLOTS = 4;

// Over HTTP/2 streams share one connection. Without locks, which a page served over plain HTTP from another machine does
// not have, windows cannot agree.
const protocol = performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "";
const isLimited = Boolean(navigator.locks) && !/^h[23]/.test(protocol);

// Releases this window's slot, if it has one.
let releaseLock = null;

export const mayStream = () => !isLimited || releaseLock !== null;

// Resolves to a function that releases the lock, or to null if another window holds it.
const acquireLock = (name) => new Promise((resolve) => {
  const hold = (lock) => lock && new Promise((release) => { resolve(release); });
  navigator.locks.request(name, { ifAvailable: true }, hold).catch(() => null).finally(() => resolve(null));
});

// Resolves to whether this window may have a stream.
export const takeSlot = async () => {
  for (let n = 0; n < SLOTS && !mayStream(); n += 1) {
    const release = await acquireLock(`switchboard-live-${n}`);
    // Meanwhile this window may have got another slot, or may have been hidden.
    if (release && (releaseLock || document.hidden)) release();
    else if (release) releaseLock = release;
  }
  return mayStream();
};

export const releaseSlot = () => {
  releaseLock?.();
  releaseLock = null;
};
