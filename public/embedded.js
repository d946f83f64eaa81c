// Every file of the dashboard, embedded into the program as it is. JavaScript, because TypeScript takes what a library's
// file exports for what its import as a file gives; embedded.d.ts says what it is.
import directive from "../node_modules/lit-html/directive.js" with { type: "file" };
import directiveHelpers from "../node_modules/lit-html/directive-helpers.js" with { type: "file" };
import guard from "../node_modules/lit-html/directives/guard.js" with { type: "file" };
import repeat from "../node_modules/lit-html/directives/repeat.js" with { type: "file" };
import litHtml from "../node_modules/lit-html/lit-html.js" with { type: "file" };
import uplot from "../node_modules/uplot/dist/uPlot.iife.min.js" with { type: "file" };
import uplotStyle from "../node_modules/uplot/dist/uPlot.min.css" with { type: "file" };
import docs from "./docs.html" with { type: "file" };
import index from "./index.html" with { type: "file" };
import docsStyle from "./static/docs.css" with { type: "file" };
import docsScript from "./static/docs.js" with { type: "file" };
import docsElement from "./static/docs_element.js" with { type: "file" };
import docsSchema from "./static/docs_schema.js" with { type: "file" };
import explainStyle from "./static/explain.css" with { type: "file" };
import explain from "./static/explain.html" with { type: "file" };
import explainScript from "./static/explain.js" with { type: "file" };
import explanationStyle from "./static/explanation.css" with { type: "file" };
import explanation from "./static/explanation.js" with { type: "file" };
import fleetAccess from "./static/fleet/access.js" with { type: "file" };
import fleetAttention from "./static/fleet/attention.js" with { type: "file" };
import fleetChart from "./static/fleet/chart.js" with { type: "file" };
import fleetCharts from "./static/fleet/charts.js" with { type: "file" };
import fleetChat from "./static/fleet/chat.js" with { type: "file" };
import fleetHistory from "./static/fleet/history.js" with { type: "file" };
import fleetModels from "./static/fleet/models.js" with { type: "file" };
import fleetModelsKnown from "./static/fleet/models_known.js" with { type: "file" };
import fleetNodeDetails from "./static/fleet/node_details.js" with { type: "file" };
import fleetNodeOrder from "./static/fleet/node_order.js" with { type: "file" };
import fleetNodeRow from "./static/fleet/node_row.js" with { type: "file" };
import fleetNodeWords from "./static/fleet/node_words.js" with { type: "file" };
import fleetNodes from "./static/fleet/nodes.js" with { type: "file" };
import fleetRunning from "./static/fleet/running.js" with { type: "file" };
import fleetState from "./static/fleet/state.js" with { type: "file" };
import fleetTotals from "./static/fleet/totals.js" with { type: "file" };
import fleetTryIt from "./static/fleet/try_it.js" with { type: "file" };
import fleetUseIt from "./static/fleet/use_it.js" with { type: "file" };
import fleetStyle from "./static/fleet.css" with { type: "file" };
import fleetScript from "./static/fleet.js" with { type: "file" };
import format from "./static/format.js" with { type: "file" };
import icon from "./static/icon.svg" with { type: "file" };
import lit from "./static/lit.js" with { type: "file" };
import live from "./static/live.js" with { type: "file" };
import loginStyle from "./static/login.css" with { type: "file" };
import login from "./static/login.html" with { type: "file" };
import loginScript from "./static/login.js" with { type: "file" };
import logsBook from "./static/logs/book.js" with { type: "file" };
import logsExport from "./static/logs/export.js" with { type: "file" };
import logsFilters from "./static/logs/filters.js" with { type: "file" };
import logsRecordStyle from "./static/logs/record.css" with { type: "file" };
import logsRecord from "./static/logs/record.js" with { type: "file" };
import logsRow from "./static/logs/row.js" with { type: "file" };
import logsSteady from "./static/logs/steady.js" with { type: "file" };
import logsWords from "./static/logs/words.js" with { type: "file" };
import logsStyle from "./static/logs.css" with { type: "file" };
import logs from "./static/logs.html" with { type: "file" };
import logsScript from "./static/logs.js" with { type: "file" };
import page from "./static/page.js" with { type: "file" };
import style from "./static/style.css" with { type: "file" };
import theme from "./static/theme.js" with { type: "file" };

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
