// Elements of the API page, made from text only.

/** An element with its text. What the hub describes is shown, never parsed as HTML. */
export function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
