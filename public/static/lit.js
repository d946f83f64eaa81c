// lit-html, the one way text gets onto a page: a value in a template becomes a text node or an attribute, never HTML.

export { guard } from "/static/lit/directives/guard.js";
export { repeat } from "/static/lit/directives/repeat.js";
export { html, noChange, nothing, render } from "/static/lit/lit-html.js";
