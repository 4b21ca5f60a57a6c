// Streams of one browser: over HTTP/1.1 it opens six connections to a host at most, and each stream holds one. Windows
// agree on who has one, so that pages still load; the others ask again every few seconds.

const SLOTS = 4;
// Over HTTP/2 streams share one connection; and without locks, which plain HTTP has on this machine only, nobody can agree.
const crowds = Boolean(navigator.locks) && !/^h[23]/.test(performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "");
let leaveSlot = null;

const mayStream = () => !crowds || leaveSlot !== null;

const lock = (name) => new Promise((settle) => {
  const hold = (granted) => granted && new Promise((leave) => { settle(leave); });
  navigator.locks.request(name, { ifAvailable: true }, hold).catch(() => null).finally(() => settle(null));
});

const takeSlot = async () => {
  for (let n = 0; n < SLOTS && !mayStream(); n += 1) {
    const leave = await lock(`switchboard-live-${n}`);
    // Meanwhile this window may have taken another, or nobody may look at it any more.
    if (leave && (leaveSlot || document.hidden)) leave();
    else if (leave) leaveSlot = leave;
  }
  return mayStream();
};

const releaseSlot = () => {
  leaveSlot?.();
  leaveSlot = null;
};
