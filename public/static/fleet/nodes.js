// The table of nodes: what it shows, in which order; a row is drawn again only when something in it has changed.
import { plural } from "../format.js";
import { html, noChange, nothing, repeat } from "../lit.js";
import { copyable, find } from "../page.js";
import { closeRowCharts } from "./charts.js";
import { nodeDetails } from "./node_details.js";
import { COLUMNS, filterNodes, sortNodes, statusCounts } from "./node_order.js";
import { lastPing, nodeRow } from "./node_row.js";
import { KIND_WORDS, standingOf } from "./node_words.js";
import { state } from "./state.js";

/** @typedef {import("../../contract.d.ts").Node} Node */

/** Rows that stand there at once; the filter looks through all. */
const ROWS = 50;
/** From here on filters are of use. */
const MANY = 4;
const SORT_AGAIN_MS = 10_000;

/** @type {import("./node_order.js").Wish} */
const wish = { text: "", status: "", column: "name", direction: 1, grouped: false };
let showAll = false;
/** Nodes whose rows are open. @type {Set<string>} */
const open = new Set();
/** What each row that stands there was drawn from. @type {Map<string, unknown[]>} */
let drawn = new Map();
/** The order that stands there. @type {string[]} */
let order = [];
/** By performance.now(): when it was found. */
let sortedAt = 0;
/** @type {() => void} */
let redraw = () => {};
/** Counts what makes open rows stale though their node has not changed, such as charts that have come. */
let detailsVersion = 0;

/** Draws the table again by `again`. @param {() => void} again */
export function onNodes(again) {
  redraw = again;
}

/** Draws open rows again. */
export function redrawDetails() {
  detailsVersion++;
  redraw();
}

/** @param {Partial<import("./node_order.js").Wish>} change */
function ask(change) {
  Object.assign(wish, change);
  order = [];
  redraw();
}

/** @param {string} column */
function sortBy(column) {
  const first = COLUMNS[column]?.first ?? 1;
  const direction = wish.column === column ? /** @type {1 | -1} */ (-wish.direction) : first;
  ask({ column, direction });
}

/** @param {string} id */
function toggle(id) {
  if (open.delete(id)) closeRowCharts(id);
  else open.add(id);
  redraw();
}

/** The section. */
export function nodes() {
  const all = state.list;
  const found = state.nodes === null ? [] : inOrder(filterNodes(all, wish));
  // Rows that leave the page are drawn from nothing when they come back.
  if (found.length === 0) drawn.clear();
  if (state.nodes === null)
    return html`<section class="card"><h2>Nodes</h2><p class="soft">Waiting for the hub…</p></section>`;
  if (all.length === 0) return noNodes();
  for (const id of open) if (!state.nodes.has(id) && open.delete(id)) closeRowCharts(id);
  const rows = showAll ? found : found.slice(0, ROWS);
  return html`<section class="card" aria-labelledby="nodes-title">
    <div class="bar">
      <h2 id="nodes-title">Nodes</h2>
      ${controls(all)}
      <p class="soft found" role="status">${found.length === all.length ? plural(all.length, "node") : `${found.length} of ${plural(all.length, "node")}`}</p>
    </div>
    ${found.length === 0 ? html`<p>No node fits. <button type="button" @click=${() => ask({ text: "", status: "" })}>Show all nodes</button></p>` : table(rows)}
    ${
      found.length > ROWS
        ? html`<p><button type="button" aria-expanded=${showAll ? "true" : "false"} @click=${() => {
            showAll = !showAll;
            redraw();
          }}>${showAll ? `Show the first ${ROWS} only` : `Show all ${found.length}`}</button></p>`
        : nothing
    }
  </section>`;
}

/** Rows do not move under the hands of somebody who is at one of them, nor with every load that changes. @param {Node[]} found */
function inOrder(found) {
  const isRecent = COLUMNS[wish.column]?.restless && performance.now() - sortedAt < SORT_AGAIN_MS;
  const isHeld = order.length > 0 && (isRecent || find("nodes").querySelector("tbody:focus-within") !== null);
  let sorted = sortNodes(found, wish);
  if (isHeld) {
    const place = new Map(order.map((id, index) => [id, index]));
    const placeOf = (/** @type {Node} */ { node_id }) => place.get(node_id) ?? order.length;
    sorted = sorted.sort((a, b) => placeOf(a) - placeOf(b));
  } else sortedAt = performance.now();
  order = sorted.map(({ node_id }) => node_id);
  return sorted;
}

/** @param {Node[]} all */
function controls(all) {
  const value = (/** @type {Event} */ { target }) => /** @type {HTMLInputElement} */ (target).value;
  return html`
    <label class="sort">Sort by
      <select .value=${wish.column} @change=${(/** @type {Event} */ event) => ask({ column: value(event), direction: COLUMNS[value(event)]?.first ?? 1 })}>
        ${Object.entries(COLUMNS).map(([key, { title }]) => html`<option value=${key} ?selected=${key === wish.column}>${title}</option>`)}
      </select>
    </label>
    ${
      all.length < MANY
        ? nothing
        : html`<label>Filter
            <input type="search" autocomplete="off" spellcheck="false" placeholder="name, address, model" .value=${wish.text}
              @input=${(/** @type {Event} */ event) => ask({ text: value(event) })}></label>
          <label>Status
            <select .value=${wish.status} @change=${(/** @type {Event} */ event) => ask({ status: value(event) })}>
              <option value="">all</option>
              <option value="trouble">may not serve</option>
              ${statusCounts(all).map(({ kind, word, number }) => html`<option value=${kind}>${word} (${number})</option>`)}
            </select></label>
          <label><input type="checkbox" .checked=${wish.grouped}
            @change=${(/** @type {Event} */ { target }) => ask({ grouped: /** @type {HTMLInputElement} */ (target).checked })}>Group by status</label>`
    }`;
}

/** @param {Node[]} rows */
function table(rows) {
  const before = drawn;
  drawn = new Map();
  return html`<div class="scroll nodes-scroll"><table class="stack nodes" role="table">
    <caption class="said">Nodes, with how they are reached and how busy they are. Headings sort.</caption>
    <colgroup>${Object.keys(COLUMNS).map((key) => html`<col class=${`col-${key}`}>`)}</colgroup>
    <thead role="rowgroup"><tr role="row">${Object.entries(COLUMNS).map(([key, { title }]) => heading(key, title))}</tr></thead>
    ${wish.grouped ? groups(rows, before) : html`<tbody role="rowgroup">${body(rows, before)}</tbody>`}
  </table></div>`;
}

/** @param {string} key @param {string} title */
function heading(key, title) {
  const sorted = wish.column === key;
  const sign = !sorted ? "" : wish.direction === 1 ? " ↑" : " ↓";
  return html`<th scope="col" role="columnheader" aria-sort=${sorted ? (wish.direction === 1 ? "ascending" : "descending") : nothing}>
    <button type="button" class="sorts" @click=${() => sortBy(key)}>${title}<span aria-hidden="true">${sign}</span></button></th>`;
}

/** @param {Node[]} rows @param {Map<string, unknown[]>} before */
function groups(rows, before) {
  const counts = statusCounts(filterNodes(state.list, wish));
  const membersOf = (/** @type {string} */ kind) => rows.filter((node) => standingOf(node).kind === kind);
  return repeat(
    counts.map((group) => ({ ...group, members: membersOf(group.kind) })).filter(({ members }) => members.length > 0),
    ({ kind }) => kind,
    ({ kind, word, number, members }) => html`<tbody role="rowgroup">
      <tr role="row" class="group"><th role="rowheader" scope="rowgroup" colspan="11">${word} <span class="soft">${number}</span></th></tr>
      ${body(members, before, kind)}</tbody>`,
  );
}

/** @param {Node[]} rows @param {Map<string, unknown[]>} before @param {string} group */
function body(rows, before, group = "") {
  return repeat(
    rows,
    ({ node_id }) => node_id,
    (node) => {
      const id = node.node_id;
      const isOpen = open.has(id);
      const inputs = [
        node,
        isOpen,
        isOpen ? detailsVersion : 0,
        lastPing(node),
        KIND_WORDS[standingOf(node).kind],
        group,
      ];
      drawn.set(id, inputs);
      const last = before.get(id);
      if (last?.every((value, index) => value === inputs[index])) return noChange;
      return nodeRow(node, isOpen, toggle, isOpen ? nodeDetails(node) : nothing);
    },
  );
}

/** How to get the first node. */
function noNodes() {
  const local = /^(localhost|127\.|\[::1\])/.test(location.hostname);
  return html`<section class="card empty" aria-labelledby="nodes-title">
    <h2 id="nodes-title">No node is registered</h2>
    <p>On each machine that runs Ollama, in a clone of this repository, start an agent:</p>
    ${copyable(`SERVER_URL=${location.origin} bun run node`, "the command that adds a node")}
    <p class="soft">${local ? `On another machine, write this machine's address instead of ${location.hostname}. ` : ""}It appears
    here within seconds. Without Bun: <code>npm run setup</code> once, then <code>npm run node</code> in place of <code>bun run node</code>.</p>
  </section>`;
}
