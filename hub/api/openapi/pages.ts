/** What a browser opens, described, and the description itself. */
import { z } from "zod";
import { headOf } from "./native_lists.ts";
import type { Answer, Chapter, Operation } from "./operation.ts";

const html = (description: string): Answer => ({ description, content: { "text/html": null } });

const dashboard: Operation = {
  method: "GET",
  path: "/",
  id: "showDashboard",
  tag: "Pages",
  summary: "The dashboard, or a sign of life",
  description:
    "A browser gets the page that shows every node with its state. Everything else gets the text `Ollama is " +
    "running`, for which Ollama's own programs ask before anything else.",
  answers: { 200: { description: "A page, or the text.", content: { "text/plain": null, "text/html": null } } },
};

export const PAGES: Chapter = {
  schemas: {},
  operations: [
    dashboard,
    headOf(dashboard),
    {
      method: "GET",
      path: "/docs",
      id: "showDocs",
      tag: "Pages",
      summary: "This description, for people",
      description: "Made in the browser from `/openapi.json`.",
      answers: { 200: html("A page.") },
    },
    {
      method: "GET",
      path: "/openapi.json",
      id: "getOpenApi",
      tag: "Pages",
      summary: "This description, for programs",
      description: "OpenAPI 3.1, with the address at which the hub was asked as its server.",
      answers: {
        200: { description: "The document.", content: { "application/json": z.record(z.string(), z.unknown()) } },
      },
    },
    {
      method: "GET",
      path: "/metrics",
      id: "showMetrics",
      tag: "Fleet",
      summary: "Figures for Prometheus",
      description:
        "Counters since the hub started, histograms and gauges in Prometheus' text format: requests by route and " +
        "result, attempts by node and outcome, times to the first token and per token, tokens by model and node, the " +
        "queue, slots and states of nodes, the process. Labels are only names of nodes that are known and of models " +
        "that these list. Every node answers the same path on its own port with what it knows.",
      answers: { 200: { description: "The figures.", content: { "text/plain": null } } },
    },
    {
      method: "GET",
      path: "/static/:file",
      id: "getStaticFile",
      tag: "Pages",
      summary: "Parts of the pages",
      description: "Further pages, such as the request log at `/static/logs.html`, scripts and styles.",
      parameters: [
        { in: "path", name: "file", description: "Name of the file.", schema: z.string(), example: "logs.html" },
      ],
      answers: {
        200: { description: "The file.", content: { "text/html": null, "text/javascript": null, "text/css": null } },
        404: { description: "There is no such file.", content: { "text/plain": null } },
      },
    },
  ],
};
