// What both pages share: building elements from text only, and refreshing every three seconds.

const REFRESH_MS = 3000;

/** An element with its text. Names from nodes are somebody else's words: they are never parsed as HTML. */
export function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** A table row of texts or elements. */
export function row(cells) {
  const made = element("tr");
  for (const cell of cells) {
    const td = element("td");
    td.append(cell);
    made.append(td);
  }
  return made;
}

/** Fetches `path` now and every three seconds, and says on the page when the hub cannot be reached. */
export async function keepFresh(path, show) {
  const connection = document.getElementById("connection");
  for (;;) {
    try {
      const response = await fetch(path, { signal: AbortSignal.timeout(REFRESH_MS) });
      if (!response.ok) throw new Error(`the hub answered ${response.status}`);
      show(await response.json());
      connection.textContent = "live";
      connection.className = "good";
    } catch (error) {
      connection.textContent = `no connection to the hub (${error.message}); trying again`;
      connection.className = "bad";
    }
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
}
