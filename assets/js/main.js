// The console's script: every page works without it, and each module says in its first sentence what it adds.
//
// It holds no markup and no knowledge of single pages. It runs after htmx and its extension for streams have loaded and
// before htmx processes the document, so that it sees every event. The order of the imports does not matter.

import "./copy.js";
import "./faults.js";
import "./keys.js";
import "./morph.js";
import "./navigation.js";
import "./show-rows.js";
import "./stream.js";
import "./submit-once.js";
import "./swaps.js";
