// The fleet page: takes what the hub tells, and draws again the sections that show it.
import { access, learnRole } from "./fleet/access.js";
import { attention, happenings } from "./fleet/attention.js";
import { addSample, charts, clearCharts, onCharts, seedCharts } from "./fleet/charts.js";
import { models } from "./fleet/models.js";
import { nodes, onNodes, redrawDetails } from "./fleet/nodes.js";
import { running } from "./fleet/running.js";
import { addHappenings, changeFleet, learnTime, setFleet, state } from "./fleet/state.js";
import { titleWords, totals } from "./fleet/totals.js";
import { onTryIt, tryIt } from "./fleet/try_it.js";
import { onUseIt, useIt } from "./fleet/use_it.js";
import { follow } from "./live.js";
import { showConnection, view } from "./page.js";

/** How often "20 s ago" is told again. */
const AGES_MS = 5000;
/** How often running times are. */
const SECOND = 1000;
/** Figures of the last hour while no events come. */
const STEP_MS = 10_000;
/** How often the hour is read again while they do. */
const CORRECTIONS_MS = 60_000;

const NAME = document.title;

const drawTotals = view("totals", totals);
const drawAttention = view("attention", () => attention(() => drawAttention()));
const drawAccess = view("access", access);
const drawHappenings = view("happenings", happenings);
const drawNodes = view("nodes", nodes);
const drawCharts = view("charts", charts);
const drawRunning = view("running", () => running(() => drawRunning()));
const drawModels = view("models", () => models(() => drawModels()));
const drawTryIt = view("try-it", tryIt);
const drawUseIt = view("use-it", useIt);

onNodes(drawNodes);
onTryIt(drawTryIt);
onUseIt(drawUseIt);
onCharts(() => {
  drawCharts();
  drawTotals();
}, redrawDetails);

function drawStates() {
  drawTotals();
  drawAttention();
  drawNodes();
  const words = titleWords();
  document.title = words ? `${words} · ${NAME}` : NAME;
}

function drawFleet() {
  drawStates();
  drawModels();
  drawTryIt();
  drawUseIt();
}

/** The nodes that the select beside the charts offers. */
let offered = "";
function drawChartsIfNodesChanged() {
  const names = state.list.map(({ node_id }) => node_id).join();
  if (names === offered) return;
  offered = names;
  drawCharts();
}

follow(["fleet", "queue", "running", "happenings"], {
  connection(connection, since) {
    state.connection = connection;
    state.since = since;
    // Single requests come with events only.
    if (connection === "asking") {
      state.running = null;
      seedCharts();
    }
    showConnection(connection, since);
    document.body.classList.toggle("lost", connection === "lost");
    drawStates();
    drawRunning();
  },
  hello(hello) {
    if (state.hello && state.hello.boot_id !== hello.boot_id) clearCharts();
    state.hello = hello;
    drawAccess();
    drawUseIt();
    void learnRole().then(drawTryIt);
    seedCharts();
  },
  fleet(list) {
    setFleet(list);
    drawFleet();
    drawChartsIfNodesChanged();
  },
  nodes(news) {
    changeFleet(news);
    drawFleet();
    drawChartsIfNodesChanged();
  },
  queue(queue) {
    state.queue = queue;
    drawTotals();
    drawRunning();
  },
  running(list) {
    state.running = list;
    state.runningAt = performance.now();
    drawRunning();
  },
  stats(sample) {
    learnTime(sample.at, true);
    addSample(sample);
    drawTotals();
  },
  happenings({ happenings }) {
    addHappenings(happenings);
    drawHappenings();
  },
});

setInterval(() => {
  // Of a hub that is not heard nothing is known: ages would grow as if its nodes were silent.
  if (state.connection !== "lost" && !document.hidden) drawStates();
}, AGES_MS);
setInterval(() => {
  if (state.connection === "live" && (state.running?.total ?? 0) > 0) drawRunning();
}, SECOND);
setInterval(() => {
  if (state.connection === "asking" && !document.hidden) seedCharts();
}, STEP_MS);
// What an answer's end says about its tokens goes into steps that were told already.
setInterval(() => {
  if (state.connection === "live" && !document.hidden) seedCharts();
}, CORRECTIONS_MS);
