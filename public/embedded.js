// Every file of the dashboard, embedded into the program as text. JavaScript, because TypeScript takes what a library's
// file exports for what its import as text gives; embedded.d.ts says what it is.
import directive from "../node_modules/lit-html/directive.js" with { type: "text" };
import directiveHelpers from "../node_modules/lit-html/directive-helpers.js" with { type: "text" };
import guard from "../node_modules/lit-html/directives/guard.js" with { type: "text" };
import repeat from "../node_modules/lit-html/directives/repeat.js" with { type: "text" };
import litHtml from "../node_modules/lit-html/lit-html.js" with { type: "text" };
import uplot from "../node_modules/uplot/dist/uPlot.iife.min.js" with { type: "text" };
import uplotStyle from "../node_modules/uplot/dist/uPlot.min.css" with { type: "text" };
import docs from "./docs.html" with { type: "text" };
import index from "./index.html" with { type: "text" };
import docsStyle from "./static/docs.css" with { type: "text" };
import docsScript from "./static/docs.js" with { type: "text" };
import docsElement from "./static/docs_element.js" with { type: "text" };
import docsSchema from "./static/docs_schema.js" with { type: "text" };
import explainStyle from "./static/explain.css" with { type: "text" };
import explain from "./static/explain.html" with { type: "text" };
import explainScript from "./static/explain.js" with { type: "text" };
import explanationStyle from "./static/explanation.css" with { type: "text" };
import explanation from "./static/explanation.js" with { type: "text" };
import fleetAccess from "./static/fleet/access.js" with { type: "text" };
import fleetAttention from "./static/fleet/attention.js" with { type: "text" };
import fleetChart from "./static/fleet/chart.js" with { type: "text" };
import fleetCharts from "./static/fleet/charts.js" with { type: "text" };
import fleetChat from "./static/fleet/chat.js" with { type: "text" };
import fleetHistory from "./static/fleet/history.js" with { type: "text" };
import fleetModels from "./static/fleet/models.js" with { type: "text" };
import fleetModelsKnown from "./static/fleet/models_known.js" with { type: "text" };
import fleetNodeDetails from "./static/fleet/node_details.js" with { type: "text" };
import fleetNodeOrder from "./static/fleet/node_order.js" with { type: "text" };
import fleetNodeRow from "./static/fleet/node_row.js" with { type: "text" };
import fleetNodeWords from "./static/fleet/node_words.js" with { type: "text" };
import fleetNodes from "./static/fleet/nodes.js" with { type: "text" };
import fleetRunning from "./static/fleet/running.js" with { type: "text" };
import fleetState from "./static/fleet/state.js" with { type: "text" };
import fleetTotals from "./static/fleet/totals.js" with { type: "text" };
import fleetTryIt from "./static/fleet/try_it.js" with { type: "text" };
import fleetUseIt from "./static/fleet/use_it.js" with { type: "text" };
import fleetStyle from "./static/fleet.css" with { type: "text" };
import fleetScript from "./static/fleet.js" with { type: "text" };
import format from "./static/format.js" with { type: "text" };
import icon from "./static/icon.svg" with { type: "text" };
import lit from "./static/lit.js" with { type: "text" };
import live from "./static/live.js" with { type: "text" };
import loginStyle from "./static/login.css" with { type: "text" };
import login from "./static/login.html" with { type: "text" };
import loginScript from "./static/login.js" with { type: "text" };
import logsBook from "./static/logs/book.js" with { type: "text" };
import logsExport from "./static/logs/export.js" with { type: "text" };
import logsFilters from "./static/logs/filters.js" with { type: "text" };
import logsRecordStyle from "./static/logs/record.css" with { type: "text" };
import logsRecord from "./static/logs/record.js" with { type: "text" };
import logsRow from "./static/logs/row.js" with { type: "text" };
import logsSteady from "./static/logs/steady.js" with { type: "text" };
import logsWords from "./static/logs/words.js" with { type: "text" };
import logsStyle from "./static/logs.css" with { type: "text" };
import logs from "./static/logs.html" with { type: "text" };
import logsScript from "./static/logs.js" with { type: "text" };
import page from "./static/page.js" with { type: "text" };
import style from "./static/style.css" with { type: "text" };
import theme from "./static/theme.js" with { type: "text" };

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

export const FILES = [
  ["/", HTML, index],
  ["/docs", HTML, docs],
  ["/static/logs.html", HTML, logs],
  ["/static/explain.html", HTML, explain],
  ["/static/login.html", HTML, login],
  ["/static/icon.svg", "image/svg+xml", icon],

  ["/static/theme.js", SCRIPT, theme],
  ["/static/lit.js", SCRIPT, lit],
  ["/static/format.js", SCRIPT, format],
  ["/static/live.js", SCRIPT, live],
  ["/static/page.js", SCRIPT, page],
  ["/static/fleet.js", SCRIPT, fleetScript],
  ["/static/fleet/access.js", SCRIPT, fleetAccess],
  ["/static/fleet/attention.js", SCRIPT, fleetAttention],
  ["/static/fleet/chart.js", SCRIPT, fleetChart],
  ["/static/fleet/charts.js", SCRIPT, fleetCharts],
  ["/static/fleet/chat.js", SCRIPT, fleetChat],
  ["/static/fleet/history.js", SCRIPT, fleetHistory],
  ["/static/fleet/models.js", SCRIPT, fleetModels],
  ["/static/fleet/models_known.js", SCRIPT, fleetModelsKnown],
  ["/static/fleet/node_details.js", SCRIPT, fleetNodeDetails],
  ["/static/fleet/node_order.js", SCRIPT, fleetNodeOrder],
  ["/static/fleet/node_row.js", SCRIPT, fleetNodeRow],
  ["/static/fleet/node_words.js", SCRIPT, fleetNodeWords],
  ["/static/fleet/nodes.js", SCRIPT, fleetNodes],
  ["/static/fleet/running.js", SCRIPT, fleetRunning],
  ["/static/fleet/state.js", SCRIPT, fleetState],
  ["/static/fleet/totals.js", SCRIPT, fleetTotals],
  ["/static/fleet/try_it.js", SCRIPT, fleetTryIt],
  ["/static/fleet/use_it.js", SCRIPT, fleetUseIt],
  ["/static/logs.js", SCRIPT, logsScript],
  ["/static/logs/book.js", SCRIPT, logsBook],
  ["/static/logs/export.js", SCRIPT, logsExport],
  ["/static/logs/filters.js", SCRIPT, logsFilters],
  ["/static/logs/record.js", SCRIPT, logsRecord],
  ["/static/logs/row.js", SCRIPT, logsRow],
  ["/static/logs/steady.js", SCRIPT, logsSteady],
  ["/static/logs/words.js", SCRIPT, logsWords],
  ["/static/explain.js", SCRIPT, explainScript],
  ["/static/explanation.js", SCRIPT, explanation],
  ["/static/login.js", SCRIPT, loginScript],
  ["/static/docs.js", SCRIPT, docsScript],
  ["/static/docs_element.js", SCRIPT, docsElement],
  ["/static/docs_schema.js", SCRIPT, docsSchema],

  ["/static/style.css", STYLE, style],
  ["/static/fleet.css", STYLE, fleetStyle],
  ["/static/logs.css", STYLE, logsStyle],
  ["/static/logs/record.css", STYLE, logsRecordStyle],
  ["/static/explain.css", STYLE, explainStyle],
  ["/static/explanation.css", STYLE, explanationStyle],
  ["/static/login.css", STYLE, loginStyle],
  ["/static/docs.css", STYLE, docsStyle],

  ["/static/lit/lit-html.js", SCRIPT, litHtml],
  ["/static/lit/directive.js", SCRIPT, directive],
  ["/static/lit/directive-helpers.js", SCRIPT, directiveHelpers],
  ["/static/lit/directives/repeat.js", SCRIPT, repeat],
  ["/static/lit/directives/guard.js", SCRIPT, guard],
  ["/static/uplot.js", SCRIPT, uplot],
  ["/static/uplot.css", STYLE, uplotStyle],
];
