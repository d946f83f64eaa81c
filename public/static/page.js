// What every page has: the words about its connection, drawing at most once a frame, and copying.

import { html, render } from "./lit.js";
import { connectionWords } from "./live.js";

/**
 * Draws `template()` into the element `id`, now and, at most once a frame, whenever the returned function is called.
 * @param {string} id @param {() => unknown} template
 */
export function view(id, template) {
  const place = find(id);
  let asked = false;
  const draw = () => {
    asked = false;
    render(template(), place);
  };
  draw();
  return () => {
    if (asked) return;
    asked = true;
    // A page in the background gets no frames, and needs none.
    requestAnimationFrame(draw);
  };
}

/** The element `id`, which is in the page's HTML. @param {string} id */
export function find(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id} in this page`);
  return found;
}

/** Says in the header whether what is shown is current. @param {import("./live.js").Connection} connection @param {Date} since */
export function showConnection(connection, since) {
  const place = find("connection");
  place.textContent = connectionWords(connection, since);
  place.className = connection === "lost" ? "bad" : connection === "live" ? "good" : "";
}

/** Puts `text` on the clipboard; true when it is there. Browsers give it to pages of https and this machine only. @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "offscreen";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/** A piece of text to copy, with its button. @param {string} text @param {string} label What it is, for screen readers. */
export function copyable(text, label) {
  /** @param {Event & { currentTarget: EventTarget | null }} event */
  const onClick = async ({ currentTarget }) => {
    const button = /** @type {HTMLButtonElement} */ (currentTarget);
    button.textContent = (await copy(text)) ? "Copied" : "Press Ctrl+C";
    button.focus();
    setTimeout(() => {
      button.textContent = "Copy";
    }, 2000);
  };
  return html`<div class="copyable">
    <pre tabindex="0" aria-label=${label}>${text}</pre>
    <button type="button" class="copy" aria-label=${`Copy: ${label}`} @click=${onClick}>Copy</button>
  </div>`;
}

/** The word of a state with its colour and shape. @param {string} state @param {string} word */
export const badge = (state, word) => html`<span class=${`badge ${state}`}>${word}</span>`;
