// Selected text stays selected: other modules ask here before they change an element.

// `containsNode` makes the browser lay the page out, which is expensive after each change. Without a selection, which
// is the usual case, it is not called.
let hasSelection = false;

document.addEventListener("selectionchange", () => { hasSelection = getSelection()?.isCollapsed === false; });

export const isSelected = (node) => hasSelection && getSelection().containsNode(node, true);
