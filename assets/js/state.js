// The state that several modules share, so that all of them act on one view of the stream and the session.

export const state = {
  // What keeps the page up to date. "live": the stream. "blocked" and "shared": polling, because the stream does not
  // come through, or because other windows have all the slots for streams. "lost": nothing, the console does not answer.
  mode: "live",

  // The session ended. Nothing is requested in the background until the operator signs in again.
  signedOut: false,

  // The stream's connection as the extension of htmx knows it, and when it was opened (`performance.now()`, as all
  // times here).
  connection: null,
  openedAt: -Infinity,
  // Whether a message arrived on it. Only then is it known to come from the console.
  confirmed: false,
  // Attempts to open the stream since a message last arrived.
  attempts: 0,

  // When a message of the stream last arrived, and when the console was last known to answer.
  heardAt: performance.now(),
  reachedAt: performance.now(),
  // Messages of the stream that name a change, since the document was loaded.
  changesHeard: 0,
};
