// Keeps in place what somebody reads while rows come in above it.

/** Browsers keep in place what is at the top of the window; not all, and at the top of the page that is no row. */
const ANCHORS = CSS.supports("overflow-anchor", "auto");

/** The row to keep in place, null where none has to be. @param {HTMLElement} rows */
function anchorIn(rows) {
  const rowsAbove = rows.getBoundingClientRect().top < 0;
  if (rowsAbove && ANCHORS) return null;
  const focused = document.activeElement?.closest("tr");
  const read = [focused && rows.contains(focused) ? focused : null, ...rows.querySelectorAll("tr.open")];
  const seen = read.find((row) => {
    if (!row) return false;
    const { top, bottom } = row.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  if (seen || !rowsAbove) return seen ?? null;
  return Array.from(rows.children).find((row) => row.getBoundingClientRect().bottom > 0) ?? null;
}

/** Calls `draw`, which changes `rows`, and scrolls by as much as it moved what is read. @param {HTMLElement} rows @param {() => void} draw */
export function steadily(rows, draw) {
  const anchor = anchorIn(rows);
  const before = anchor?.getBoundingClientRect().top ?? 0;
  draw();
  if (!anchor) return;
  const moveBack = () => {
    const moved = anchor.isConnected ? anchor.getBoundingClientRect().top - before : 0;
    if (Math.abs(moved) >= 1) scrollBy(0, moved);
  };
  moveBack();
  // New rows have the height of one line until they are seen: once they are, the rest is made good.
  const left = scrollY;
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      if (scrollY === left) moveBack();
    }),
  );
}
