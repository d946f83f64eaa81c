/** Ollama's own routes that tell what there is, described. */
import { z } from "zod";
import { diskModel, loadedModel } from "../../../shared/ollama_models.ts";
import { SERVED_HEADERS, servedErrors } from "./errors.ts";
import type { Chapter, Operation } from "./operation.ts";

const modelDetails = z.looseObject({
  parent_model: z.string().optional(),
  format: z.string().describe("`gguf` or `safetensors`."),
  family: z.string(),
  families: z.array(z.string()).nullish(),
  parameter_size: z.string().describe("Such as `3.2B`."),
  quantization_level: z.string().describe("Such as `Q4_K_M`."),
  context_length: z.int().optional(),
  embedding_length: z.int().optional(),
});

const named = { model: z.string().describe("The same as `name`."), details: modelDetails };

const tagsModel = diskModel.extend({
  ...named,
  capabilities: z.array(z.string()).optional().describe("`completion`, `tools`, `embedding`, `thinking` and so on."),
});

const psModel = loadedModel.extend(named);

const tagsAnswer = z.object({ models: z.array(tagsModel) });
const psAnswer = z.object({ models: z.array(psModel) });
const versionAnswer = z.object({ version: z.string() });
const statusAnswer = z.object({
  cloud: z.object({ disabled: z.boolean(), source: z.enum(["none", "env", "config", "both"]) }),
});
const recommendations = z.object({ recommendations: z.array(z.unknown()) });

const showRequest = z.looseObject({
  model: z.string().optional().describe("The model; `name` says the same."),
  name: z.string().optional(),
  verbose: z.boolean().optional().describe("With the long lists of the tokenizer."),
});

const showAnswer = z.looseObject({
  license: z.string().optional(),
  modelfile: z.string().optional(),
  parameters: z.string().optional(),
  template: z.string().optional(),
  system: z.string().optional(),
  details: modelDetails,
  model_info: z.record(z.string(), z.unknown()),
  tensors: z.array(z.unknown()).nullish(),
  capabilities: z.array(z.string()).optional(),
  modified_at: z.string().optional(),
});

const digest = "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72";
const details = {
  parent_model: "",
  format: "gguf",
  family: "llama",
  families: ["llama"],
  parameter_size: "3.2B",
  quantization_level: "Q4_K_M",
};
const entry = { name: "llama3.2:latest", model: "llama3.2:latest", digest, details };

const GETS: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/tags",
    id: "listModels",
    tag: "Ollama",
    summary: "Models on disk",
    description:
      "Every model that a node of the fleet has, once, newest first. Where nodes have different versions, the one " +
      "that most of them have stands for it.",
    answers: {
      200: {
        description: "The models.",
        content: { "application/json": tagsAnswer },
        example: { models: [{ ...entry, modified_at: "2026-08-20T09:14:03.221947812-07:00", size: 2019393189 }] },
      },
    },
  },
  {
    method: "GET",
    path: "/api/ps",
    id: "listLoadedModels",
    tag: "Ollama",
    summary: "Models in memory",
    description:
      "Those of all nodes. A model that several nodes have in memory stands there once, with their sizes summed.",
    answers: {
      200: {
        description: "The models.",
        content: { "application/json": psAnswer },
        example: {
          models: [
            {
              ...entry,
              size: 3213594624,
              expires_at: "2026-08-21T11:53:22.186391002-07:00",
              size_vram: 3213594624,
              context_length: 4096,
            },
          ],
        },
      },
    },
  },
  {
    method: "GET",
    path: "/api/version",
    id: "getVersion",
    tag: "Ollama",
    summary: "Version of Ollama",
    description: "The lowest that a node of the fleet has; `0.0.0` where none is known.",
    answers: {
      200: {
        description: "The version.",
        content: { "application/json": versionAnswer },
        example: { version: "0.33.0" },
      },
    },
  },
  {
    method: "GET",
    path: "/api/status",
    id: "getCloudStatus",
    tag: "Ollama",
    summary: "Whether cloud models may be used",
    description: "The hub's own setting, `ALLOW_CLOUD`.",
    answers: {
      200: {
        description: "The setting.",
        content: { "application/json": statusAnswer },
        example: { cloud: { disabled: true, source: "env" } },
      },
    },
  },
  {
    method: "GET",
    path: "/api/experimental/model-recommendations",
    id: "listRecommendations",
    tag: "Ollama",
    summary: "Models that Ollama recommends",
    description: "None: the hub recommends nothing.",
    answers: {
      200: {
        description: "An empty list.",
        content: { "application/json": recommendations },
        example: { recommendations: [] },
      },
    },
  },
];

/** HEAD of `operation`, a GET. */
export function headOf(operation: Operation): Operation {
  return {
    ...operation,
    method: "HEAD",
    id: `${operation.id}Head`,
    summary: `${operation.summary}: headers only`,
    description: "The same as GET, without the body. Ollama's own programs ask it to see whether somebody is there.",
    answers: { 200: { description: "It is there." } },
  };
}

export const NATIVE_LISTS: Chapter = {
  schemas: {
    TagsAnswer: tagsAnswer,
    PsAnswer: psAnswer,
    VersionAnswer: versionAnswer,
    StatusAnswer: statusAnswer,
    Recommendations: recommendations,
    TagsModel: tagsModel,
    PsModel: psModel,
    ModelDetails: modelDetails,
    ShowRequest: showRequest,
    ShowAnswer: showAnswer,
  },
  operations: [
    ...GETS.flatMap((operation) =>
      ["/api/tags", "/api/version"].includes(operation.path) ? [operation, headOf(operation)] : [operation],
    ),
    {
      method: "POST",
      path: "/api/show",
      id: "showModel",
      tag: "Ollama",
      summary: "All about a model",
      description:
        "Asked of one node that has the model, or of the one that `X-Node-Id` names. Runs nothing, and waits for " +
        "no slot.",
      pin: "NodeId",
      request: {
        schema: showRequest,
        examples: {
          model: { summary: "By its name", value: { model: "llama3.2" } },
          unknown: { summary: "A model nobody has", value: { model: "nope" }, status: 404 },
        },
      },
      answers: {
        200: {
          description: "The model, as its node describes it.",
          headers: SERVED_HEADERS,
          content: { "application/json": showAnswer },
          example: { details, model_info: { "general.architecture": "llama" }, capabilities: ["completion", "tools"] },
        },
        ...servedErrors("native"),
      },
    },
  ],
};
