// The `openai` client's Responses: whole, streamed, tools, reasoning, structured output.
import { expect, test } from "bun:test";
import OpenAI from "openai";
import { expectedText, tokenAt } from "../fake_ollama.ts";
import { streamingSuite } from "./streaming_suite.ts";
import { chatModel, forEachTarget, thinkingModel, tokens, visionModel } from "./targets.ts";

forEachTarget((target) => {
  const responses = () => new OpenAI({ baseURL: `${target.url}/v1`, apiKey: "ollama", maxRetries: 0 }).responses;

  streamingSuite(target, {
    name: "responses",
    start: async (_, input) => {
      const stream = await responses().create({ model: chatModel, input, stream: true });
      const pieces = async function* () {
        for await (const event of stream) if (event.type === "response.output_text.delta") yield event.delta;
      };
      return { pieces: pieces(), leave: () => stream.controller.abort() };
    },
  });

  test("a response comes whole", async () => {
    const response = await responses().create({ model: chatModel, input: "whole", instructions: "be brief" });
    expect(response.output_text).toBe(expectedText("be brief\nwhole", 0, tokens));
    expect(response).toMatchObject({ status: "completed", model: chatModel });
  });

  test("a streamed response has numbered events from created to completed", async () => {
    const stream = await responses().create({ model: chatModel, input: "events", stream: true });
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
    expect(events[0]?.type).toBe("response.created");
    expect(events.at(-1)?.type).toBe("response.completed");
  });

  test("the stream helper puts the whole response together", async () => {
    const final = await responses().stream({ model: chatModel, input: "helper" }).finalResponse();
    expect(final.output_text).toBe(expectedText("helper", 0, tokens));
  });

  test("a response calls a tool", async () => {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const { output } = await responses().create({
      model: chatModel,
      input: "use tool get_weather",
      tools: [{ type: "function", name: "get_weather", parameters, strict: false }],
    });
    expect(output).toMatchObject([{ type: "function_call", name: "get_weather", arguments: '{"city":"Oslo"}' }]);
  });

  test("a response reasons before it speaks", async () => {
    const request = { model: thinkingModel, input: "ponder", reasoning: { effort: "high" as const } };
    const { output, output_text } = await responses().create(request);
    expect(output.map(({ type }) => type)).toEqual(["reasoning", "message"]);
    expect(output_text).toBe(expectedText("ponder", 0, tokens));
  });

  test("a response sees images", async () => {
    const image_url = `data:image/png;base64,${Buffer.alloc(1000, 7).toString("base64")}`;
    const content = [
      { type: "input_text" as const, text: "look" },
      { type: "input_image" as const, image_url, detail: "auto" as const },
    ];
    const { output_text } = await responses().create({ model: visionModel, input: [{ role: "user", content }] });
    expect(output_text).toBe(expectedText("look", 0, tokens));
  });

  test("a response keeps to a JSON schema", async () => {
    const schema = { type: "object", properties: { city: { type: "string" } } };
    const format = { type: "json_schema" as const, name: "capital", schema };
    const { output_text } = await responses().create({ model: chatModel, input: "capital", text: { format } });
    expect(JSON.parse(output_text)).toEqual({ city: tokenAt("capital", 0, 0) });
  });
});
