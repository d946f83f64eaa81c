// The request log: every request as it ends, newest first, each of which opens to its whole record.
import { count, plural } from "./format.js";
import { guard, html, nothing, render, repeat } from "./lit.js";
import { ask, follow } from "./live.js";
import { createBook, failed, filtered, namesIn } from "./logs/book.js";
import { save } from "./logs/export.js";
import { ALL, filterOf, filtersView, queryOf } from "./logs/filters.js";
import { recordView } from "./logs/record.js";
import { rowView } from "./logs/row.js";
import { steadily } from "./logs/steady.js";
import { copyable, find, showConnection, view } from "./page.js";

/**
 * @typedef {import("../contract.d.ts").Brief} Brief
 * @typedef {import("./logs/record.js").Loaded} Loaded
 */

const book = createBook();
let filter = filterOf(location.search);
/** True once the hub has told what it has. */
let loaded = false;
/** A model to show in the example of how to send a request. */
let anyModel = "llama3";
/** What stands open, by request id; replaced when it changes. @type {Map<string, Loaded>} */
const open = new Map();

/** What was shown when it was last worked out. */
let standing = book.standing();
let shown = filtered(standing, filter);

function work() {
  standing = book.standing();
  shown = filtered(standing, filter);
}

/** @param {Partial<import("./logs/book.js").Filter>} part */
function change(part) {
  filter = { ...filter, ...part };
  history.replaceState(null, "", `${location.pathname}${queryOf(filter)}`);
  update();
  sayFound();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let saying;
/** Tells a screen reader how many are left, when the person has stopped typing. */
function sayFound() {
  clearTimeout(saying);
  saying = setTimeout(() => {
    find("found").textContent = `${plural(shown.length, "request")} shown`;
  }, 700);
}

/** @param {string} words */
function say(words) {
  find("said").textContent = words;
}

/** @type {{ of: readonly Brief[], are: ReturnType<typeof namesIn> }} */
let named = { of: [], are: { nodes: [], models: [] } };
function names() {
  if (named.of !== standing) named = { of: standing, are: namesIn(standing) };
  return named.are;
}

const drawFilters = view("filters", () => {
  const others = filtered(standing, { ...filter, show: "all" });
  const success = others.filter((record) => record.success).length;
  const counts = { all: others.length, success, errors: others.filter(failed).length };
  return filtersView(filter, names(), counts, change);
});

/** For when the button that was pressed goes away. */
const focusSearch = () => find("filters").querySelector("input")?.focus();

const drawActions = view("actions", () => {
  const { paused, cameInPause, hidden } = book;
  const onPause = () => {
    if (paused) book.resume();
    else book.pause();
    update();
  };
  const onClear = () => {
    book.clear();
    update();
    sayFound();
  };
  const onRestore = () => {
    book.restore();
    update();
    focusSearch();
  };
  const onExport = async () => {
    const records = shown;
    say("Loading the whole records…");
    try {
      say(`Saved ${plural(records.length, "request")} as ${await save(records)}`);
    } catch (error) {
      say(`Not saved: ${/** @type {Error} */ (error).message}`);
    }
  };
  return html`<button type="button" class=${paused ? "primary" : ""} @click=${onPause}>${paused ? `Resume (${count(cameInPause)} new)` : "Pause"}</button>
    <button type="button" ?disabled=${standing.length === 0} @click=${onClear}>Clear</button>
    <button type="button" ?disabled=${shown.length === 0} @click=${onExport}>Export NDJSON</button>
    <span class="soft">${
      shown.length === standing.length
        ? plural(standing.length, "request")
        : `${count(shown.length)} of ${plural(standing.length, "request")}`
    }${paused ? ", paused" : ""}</span>
    ${hidden === 0 ? nothing : html`<span class="soft">${count(hidden)} hidden by Clear, on this page only <button type="button" @click=${onRestore}>Show again</button></span>`}`;
});

const rows = find("requests");
let drawing = false;
/** Draws the rows with the next frame. */
function drawRows() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    steadily(rows, () => render(rowsView(), rows));
  });
}

const rowsView = () =>
  repeat(
    shown,
    ({ request_id }) => request_id,
    (record) => {
      const state = open.get(record.request_id);
      // A record never changes: its row is worked out again only when it is opened or closed.
      return guard([record, state], () =>
        rowView(record, state !== undefined, state && recordView(record, state, () => load(record))),
      );
    },
  );

const drawEmpty = view("empty", () => {
  if (shown.length > 0) return nothing;
  if (!loaded) return html`<p class="soft">Loading the log…</p>`;
  if (standing.length > 0) {
    const onShowAll = () => {
      change(ALL);
      focusSearch();
    };
    return html`<p>None of the ${plural(standing.length, "request")} matches.</p>
      <button type="button" @click=${onShowAll}>Show all</button>`;
  }
  if (book.hidden > 0) return html`<p>Nothing new since you cleared this page.</p>`;
  const body = JSON.stringify({ model: anyModel, prompt: "Why is the sky blue?" });
  return html`<p>No request has come since the hub started. Send one:</p>
    ${copyable(`curl -N ${location.origin}/jobs \\\n  -H 'Content-Type: application/json' \\\n  -d '${body.replaceAll("'", `'\\''`)}'`, "command that sends a request")}`;
});

/** Draws what changed, and keeps in place what somebody reads. */
function update() {
  const before = standing;
  const beforeShown = shown;
  work();
  if (
    before !== standing ||
    beforeShown.length !== shown.length ||
    shown.some((one, index) => one !== beforeShown[index])
  ) {
    drawRows();
  }
  drawFilters();
  drawActions();
  drawEmpty();
  find("table").hidden = shown.length === 0;
}

/** @param {Brief} record */
async function load(record) {
  const set = (/** @type {Loaded} */ state) => {
    if (!open.has(record.request_id)) return;
    open.set(record.request_id, state);
    drawRows();
  };
  open.set(record.request_id, { whole: null, error: null });
  drawRows();
  try {
    set({ whole: await ask(`/logs/${encodeURIComponent(record.request_id)}`), error: null });
  } catch (error) {
    set({ whole: null, error: `${/** @type {Error} */ (error).message}.` });
  }
}

/** @param {Brief} record */
function toggle(record) {
  if (open.delete(record.request_id)) drawRows();
  else void load(record);
}

rows.addEventListener("click", ({ target }) => {
  if (!(target instanceof Element)) return;
  const row = target.closest("tr.request");
  // Who selects text to copy it does not mean to open the row.
  if (!row || (!target.closest("button") && getSelection()?.type === "Range")) return;
  toggle(/** @type {Element & { record: Brief }} */ (row).record);
});
// Up and down go from row to row, past everything else in them.
rows.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  if (!(event.target instanceof HTMLElement) || !event.target.classList.contains("opener")) return;
  const openers = Array.from(rows.querySelectorAll(".opener"));
  const next = openers[openers.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
});

/** @param {readonly Brief[]} records */
function add(records) {
  book.add(records);
  update();
}

async function loadAgain() {
  try {
    add(await ask("/logs?limit=1000&request_json=0"));
  } catch {
    // The connection's own words say so.
  }
}

find("table").hidden = true;
follow(["requests"], {
  connection: showConnection,
  log(all) {
    loaded = true;
    add(all);
    if (all.length === 0) void findModel();
  },
  requests({ finished, missed }) {
    add(finished);
    if (missed === 0) return;
    say(`${plural(missed, "request")} came too fast for the live view; the log was loaded again.`);
    void loadAgain();
  },
});

/** The example is to work here: with a model that is there. */
async function findModel() {
  try {
    /** @type {import("../contract.d.ts").Node[]} */
    const nodes = await ask("/nodes");
    anyModel = nodes.flatMap(({ models }) => models)[0] ?? anyModel;
    drawEmpty();
  } catch {
    // Then it shows a model that many have.
  }
}
