// One chart: uPlot with this page's colours, the value under the pointer, and the same figures as words below it.
import { timeOfDay } from "../format.js";

/** @typedef {import("./history.js").History} History */
/** @typedef {import("uplot")} Plot */
/**
 * @typedef {object} Line
 * @property {keyof import("./history.js").Series} name
 * @property {string} label
 * @property {string} colour Name of the custom property with it.
 * @property {boolean} [dashed] Told apart without colours as well.
 * @property {boolean} [filled]
 */
/**
 * @typedef {object} Plan
 * @property {string} title
 * @property {"h3" | "h4"} [heading]
 * @property {Line[]} lines
 * @property {(value: number) => string} words A value with its unit.
 * @property {string} nothingYet What stands there while every value is unknown or 0.
 * @property {boolean} [perSecond] Values are sums of a step and are shown by the second.
 * @property {number[]} [steps] Distances the value axis may be divided into.
 */

const HOUR_S = 3600;
/** As much there is room for at least, however young the hub is. */
const SHORTEST_S = 600;
const HEIGHT = 150;
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000];

// A canvas knows neither custom properties nor light-dark(): an element that is nowhere to be seen resolves them.
const probe = element("span", "said");

/** The colour of a custom property in the theme of now, as "rgb(5, 80, 174)". @param {string} property */
function colour(property) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(${property})`;
  return getComputedStyle(probe).color;
}

/** @param {string} tag @param {string} [className] @param {string} [text] */
function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Makes the chart of `plan`; `show` draws a history, `element` is to be put into the page. @param {Plan} plan */
export function createChart(plan) {
  const figure = element("figure", "chart");
  const head = element("div", "chart-head");
  const pointed = element("span", "soft chart-pointed");
  pointed.ariaHidden = "true";
  head.append(element(plan.heading ?? "h3", "chart-title", plan.title), pointed);
  const empty = element("p", "soft chart-empty", plan.nothingYet);
  const canvas = element("div", "chart-canvas");
  // The words below say what a picture of lines can say.
  canvas.ariaHidden = "true";
  const caption = element("figcaption");
  const rows = plan.lines.map((line) => {
    const row = element("p", "chart-line");
    const mark = element("span", `chart-mark ${line.dashed ? "dashed" : ""} ${line.colour.slice(2)}`);
    mark.ariaHidden = "true";
    const words = element("span");
    row.append(mark, words);
    caption.append(row);
    return words;
  });
  figure.append(head, empty, canvas, caption);

  /** @type {Plot | null} */
  let plot = null;
  /** @type {(number | null)[][]} */
  let data = [[], ...plan.lines.map(() => [])];
  let end = Date.now() / 1000;
  /** What the time axis spans. @returns {[number, number]} */
  const span = () => [Math.max(end - HOUR_S, Math.min(data[0]?.[0] ?? end, end - SHORTEST_S)), end];

  /** @param {number} width */
  function fit(width) {
    if (width <= 0) return;
    if (plot) plot.setSize({ width, height: HEIGHT });
    else
      plot = new uPlot(optionsOf(plan, width, span, point), /** @type {import("uplot").AlignedData} */ (data), canvas);
  }

  /** @param {Plot} at */
  function point(at) {
    const index = at.cursor.idx;
    const time = index == null ? null : data[0]?.[index];
    if (time == null || index == null) {
      pointed.textContent = "";
      return;
    }
    const values = plan.lines.map(({ label }, line) => `${label} ${wordsOf(plan, data[line + 1]?.[index] ?? null)}`);
    pointed.textContent = `${timeOfDay(new Date(time * 1000).toISOString())} · ${values.join(" · ")}`;
  }

  const observer = new ResizeObserver(([entry]) => fit(Math.floor(entry?.contentRect.width ?? 0)));
  observer.observe(canvas);
  const recolour = () => plot?.redraw(false, true);
  addEventListener("themechange", recolour);

  return {
    element: figure,
    /** @param {History} history */
    show(history) {
      const factor = plan.perSecond ? 1 / history.stepS : 1;
      const columns = plan.lines.map(({ name }) =>
        history.series[name].map((value) => (value === null ? null : value * factor)),
      );
      data = [history.at, ...columns];
      end = history.at.at(-1) ?? end;
      const anything = columns.some((column) => column.some((value) => value !== null && value > 0));
      figure.classList.toggle("is-empty", !anything);
      empty.hidden = anything;
      plan.lines.forEach(({ label }, index) => {
        const words = rows[index];
        if (words) words.textContent = `${label}: ${summary(plan, columns[index] ?? [])}`;
      });
      plot?.setData(/** @type {import("uplot").AlignedData} */ (data));
    },
    destroy() {
      observer.disconnect();
      removeEventListener("themechange", recolour);
      plot?.destroy();
    },
  };
}

/** @param {Plan} plan @param {number | null} value */
const wordsOf = (plan, value) => (value === null ? "–" : plan.words(value));

/** The newest, average and highest value. @param {Plan} plan @param {(number | null)[]} column */
function summary(plan, column) {
  const values = column.filter((value) => value !== null);
  if (values.length === 0) return "no values yet";
  const average = values.reduce((sum, value) => sum + value, 0) / values.length;
  const newest = column.at(-1) ?? null;
  return `${newest === null ? "none just now" : `now ${plan.words(newest)}`}, average ${plan.words(average)}, highest ${plan.words(Math.max(...values))}`;
}

/** Indices of values without neighbours, which a line alone would not show. @param {Plot} plot @param {number} series */
function alone(plot, series) {
  const column = plot.data[series] ?? [];
  const found = [];
  for (let index = 0; index < column.length; index++) {
    if (column[index] != null && column[index - 1] == null && column[index + 1] == null) found.push(index);
  }
  return found;
}

/**
 * @param {Plan} plan @param {number} width @param {() => [number, number]} span @param {(plot: Plot) => void} onPoint
 * @returns {import("uplot").Options}
 */
function optionsOf(plan, width, span, onPoint) {
  const axis = {
    stroke: () => colour("--soft"),
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [8, 24, 0, 0],
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 6 } },
    hooks: { setCursor: [onPoint] },
    scales: {
      x: { time: true, range: span },
      y: { range: (_, __, highest) => [0, Math.max(highest ?? 0, plan.steps ? 0 : 1) * 1.1 || 1] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 60,
        incrs: [60, 120, 300, 600, 900, 1200, 1800],
        values: (_, times) =>
          times.map((at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })),
      },
      {
        ...axis,
        size: 62,
        space: 32,
        incrs: plan.steps ?? WHOLE,
        values: (_, values) => values.map((value) => plan.words(value)),
      },
    ],
    series: [
      {},
      ...plan.lines.map((line) => ({
        label: line.label,
        stroke: () => colour(line.colour),
        width: 1.5,
        ...(line.dashed ? { dash: [4, 3] } : {}),
        ...(line.filled ? { fill: () => colour(line.colour).replace(")", ", 0.15)") } : {}),
        points: { show: true, size: 4, filter: alone, fill: () => colour(line.colour) },
      })),
    ],
  };
}
