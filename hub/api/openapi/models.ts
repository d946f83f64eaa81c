/** Ollama's routes that manage models, described. */
import { z } from "zod";
import { FAMILIES, nativeError, SERVED_HEADERS } from "./errors.ts";
import { modelOptions } from "./native_schemas.ts";
import type { Answer, Answers, Chapter, Parameter } from "./operation.ts";

const named = {
  model: z.string().optional().describe("The model; `name` says the same."),
  name: z.string().optional(),
};
const stream = z.boolean().optional().meta({ description: "Whether progress is told while it works.", default: true });

const transferRequest = z.looseObject({ ...named, insecure: z.boolean().optional(), stream });

const progress = z.looseObject({
  status: z.string().describe("What is done now; `success` is the last line when all went well."),
  digest: z.string().optional().describe("Of the layer that is on its way."),
  total: z.number().optional().describe("Bytes of the layer, summed over the nodes."),
  completed: z.number().optional().describe("Bytes of it that are there."),
});
const progressLine = z.union([progress, nativeError]);

const createRequest = z.looseObject({
  ...named,
  from: z.string().optional().describe("The model to start from."),
  files: z.record(z.string(), z.string()).optional().describe("Blobs to make it of: file name to digest."),
  adapters: z.record(z.string(), z.string()).optional(),
  template: z.string().optional(),
  license: z.union([z.string(), z.array(z.string())]).optional(),
  system: z.string().optional(),
  parameters: modelOptions.optional(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.string() })).optional(),
  quantize: z.string().optional().describe("Such as `q4_K_M`."),
  stream,
});

const copyRequest = z.looseObject({ source: z.string(), destination: z.string() });
const deleteRequest = z.looseObject(named);

const refusal = (description: string, message?: string): Answer => ({
  description,
  // A node is named where one was asked.
  headers: SERVED_HEADERS,
  content: { "application/json": nativeError },
  ...(message === undefined ? {} : { example: FAMILIES.native.example(0, message) }),
});

const OFF = refusal(
  "The hub was started with `MANAGEMENT=off`, or the model is one of a cloud service and `ALLOW_CLOUD` is off. Empty " +
    "where the page's `Origin` is not allowed.",
);
const FAILED = refusal("It went wrong on a node; of several, the message says where it did and where it did not.");
const UNREACHABLE = refusal("No node is there that could do it; the message says of each why not.");

const ERRORS: Answers = {
  400: refusal("The request is wrong: Ollama's own refusal.", "invalid model name"),
  403: OFF,
  404: refusal("No node has the model, or `X-Node-Id` names none.", "model 'nope' not found"),
  413: refusal("The body is larger than `MAX_BODY_MB`.", "The body is larger than 128 MB (MAX_BODY_MB)"),
  500: FAILED,
  502: refusal("The node was lost before it answered, or something that is not Ollama answered."),
  503: UNREACHABLE,
  504: refusal("The node did not answer in time."),
};

const told: Answer = {
  description:
    "Progress, a line at a time, or with `stream` false one object. An error after the first line is a line of " +
    "its own.",
  headers: SERVED_HEADERS,
  content: { "application/x-ndjson": progressLine, "application/json": progress },
  example: { status: "success" },
};

const DONE: Answer = { description: "Done. The body is empty.", headers: SERVED_HEADERS };

const digest: Parameter = {
  in: "path",
  name: "digest",
  description: "`sha256:` and the 64 hex digits of the file's hash.",
  schema: z.string(),
  example: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
};

export const MODELS: Chapter = {
  schemas: {
    TransferRequest: transferRequest,
    Progress: progress,
    ProgressLine: progressLine,
    CreateRequest: createRequest,
    CopyRequest: copyRequest,
    DeleteRequest: deleteRequest,
  },
  operations: [
    {
      method: "POST",
      path: "/api/pull",
      id: "pullModel",
      tag: "Models",
      summary: "Get a model from the registry",
      description:
        "One node gets it: one that has it already, to bring it up to date, else the one with the most memory. " +
        "`X-Node-Id` names another, or with `*` all: then their progress is told as one, bytes are summed, and " +
        "`success` comes once, when the last node has it.",
      pin: "NodeIdOrAll",
      request: {
        schema: transferRequest,
        examples: {
          streamed: { summary: "Telling its progress", value: { model: "qwen2.5:7b" } },
          whole: { summary: "Answering when it is done", value: { model: "qwen2.5:7b", stream: false } },
          wrong: { summary: "Without a name", value: {}, status: 400 },
        },
      },
      answers: { 200: told, ...ERRORS },
    },
    {
      method: "POST",
      path: "/api/push",
      id: "pushModel",
      tag: "Models",
      summary: "Publish a model",
      description: "Done by one node that has the model, with that node's own account.",
      pin: "NodeIdOrAll",
      request: {
        schema: transferRequest,
        examples: { streamed: { summary: "Telling its progress", value: { model: "llama3.2" } } },
      },
      answers: { 200: told, ...ERRORS },
    },
    {
      method: "POST",
      path: "/api/create",
      id: "createModel",
      tag: "Models",
      summary: "Make a model of another one, or of files",
      description:
        "Made on one node: the one that got the blobs, one that has the model to start from, or the one with the " +
        "most memory. Files are uploaded before, as blobs.",
      pin: "NodeIdOrAll",
      request: {
        schema: createRequest,
        examples: {
          from: {
            summary: "A model with a character",
            value: { model: "mario", from: "llama3.2", system: "You are Mario from Super Mario Bros." },
          },
        },
      },
      answers: { 200: told, ...ERRORS },
    },
    {
      method: "POST",
      path: "/api/copy",
      id: "copyModel",
      tag: "Models",
      summary: "Give a model a second name",
      description: "Done on every node that has the model. `X-Node-Id` narrows it to one.",
      pin: "NodeIdOrAll",
      request: {
        schema: copyRequest,
        examples: {
          copy: { summary: "A second name", value: { source: "llama3.2", destination: "my-llama" } },
          unknown: {
            summary: "A model nobody has",
            value: { source: "nope", destination: "my-nope" },
            status: 404,
          },
        },
      },
      answers: { 200: DONE, ...ERRORS },
    },
    {
      method: "DELETE",
      path: "/api/delete",
      id: "deleteModel",
      tag: "Models",
      summary: "Delete a model",
      description: "Deleted on every node that has it. `X-Node-Id` narrows it to one.",
      pin: "NodeIdOrAll",
      request: {
        schema: deleteRequest,
        examples: {
          delete: { summary: "By its name", value: { model: "mistral" } },
          unknown: { summary: "A model nobody has", value: { model: "nope" }, status: 404 },
        },
      },
      answers: { 200: DONE, ...ERRORS },
    },
    {
      method: "HEAD",
      path: "/api/blobs/:digest",
      tag: "Models",
      id: "checkBlob",
      summary: "Is a file there?",
      description:
        "Asked of the node to which an upload would go, or of all of them with `X-Node-Id: *`: then 200 only " +
        "where every one has it.",
      parameters: [digest],
      pin: "NodeIdOrAll",
      answers: {
        200: { description: "It is.", headers: SERVED_HEADERS },
        400: { description: "That is no digest.", headers: SERVED_HEADERS },
        403: { description: "The hub was started with `MANAGEMENT=off`." },
        404: { description: "It is not, or `X-Node-Id` names no node.", headers: SERVED_HEADERS },
        503: { description: "No node is there that could be asked.", headers: SERVED_HEADERS },
      },
    },
    {
      method: "POST",
      path: "/api/blobs/:digest",
      id: "uploadBlob",
      tag: "Models",
      summary: "Upload a file to make a model of",
      description:
        "Goes to one node, further ones within ten minutes to the same; with `X-Node-Id: *` to all at once. It " +
        "passes through the hub without being kept, and its size has no limit.",
      parameters: [digest],
      pin: "NodeIdOrAll",
      request: {
        type: "application/octet-stream",
        schema: z.string().meta({ description: "The file, as it is.", format: "binary" }),
        examples: { file: { summary: "A file", value: "hello", status: 201 } },
      },
      answers: {
        ...ERRORS,
        200: { description: "It was there already.", headers: SERVED_HEADERS },
        201: { description: "It is there now.", headers: SERVED_HEADERS },
        400: refusal("That is no digest, or not the file's.", "invalid digest format"),
      },
    },
  ],
};
