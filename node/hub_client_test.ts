import { afterEach, describe, expect, test } from "bun:test";
import { createFleetFetch } from "../shared/fleet_fetch.ts";
import { HEADERS } from "../shared/protocol.ts";
import { createHubClient } from "./hub_client.ts";

let server: Bun.Server<undefined> | undefined;
afterEach(() => server?.stop(true));

function hubThatAnswers(answer: () => Response | Promise<Response>) {
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  return createHubClient(`http://127.0.0.1:${server.port}`, createFleetFetch());
}

const body = { node_id: "n", port: 8001, models: [] };
const boot = { headers: { [HEADERS.hubBootId]: "b1" } };
const ok = { node_id: "n", status: "ok" };

describe("a heartbeat's outcome", () => {
  test.each([
    ["accepted by this version's hub", () => Response.json(ok, boot), { kind: "accepted", bootId: "b1" }],
    ["accepted by an older hub", () => Response.json(ok), { kind: "accepted", bootId: null }],
    [
      "refused with a detail",
      () => Response.json({ detail: "port: too big" }, { status: 400 }),
      { kind: "rejected", reason: "status 400: port: too big" },
    ],
    [
      "refused with a structured detail",
      () => Response.json({ detail: [{ loc: ["port"] }] }, { status: 422 }),
      { kind: "rejected", reason: 'status 422: [{"loc":["port"]}]' },
    ],
    [
      "answered by something else",
      () => new Response("<h1>It works!</h1>"),
      { kind: "rejected", reason: "what answers there is not a hub; set SERVER_URL" },
    ],
    [
      "sent elsewhere",
      () => Response.redirect("https://hub.example/", 301),
      {
        kind: "rejected",
        reason: "status 301: it points to https://hub.example/, which is not followed; set SERVER_URL",
      },
    ],
    [
      "answered by a proxy whose hub is away",
      () => new Response("Bad Gateway", { status: 502 }),
      { kind: "unreachable", reason: "status 502" },
    ],
    [
      "not answered in time",
      () => Bun.sleep(1000).then(() => Response.json(ok)),
      { kind: "unreachable", reason: "no answer in time" },
    ],
  ])("%s", async (_name, answer, expected) => {
    expect(await hubThatAnswers(answer).heartbeat(body, 200)).toMatchObject(expected);
  });

  test("an answer without end is not read to it", async () => {
    let sent = 0;
    const endless = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += 100_000;
            if (sent > 50_000_000) controller.close();
            else controller.enqueue(new Uint8Array(100_000));
          },
        }),
      );
    const outcome = await hubThatAnswers(endless).heartbeat(body, 5_000);
    expect(outcome).toEqual({ kind: "unreachable", reason: expect.stringContaining("larger than 65536 bytes") });
    expect(sent).toBeLessThan(50_000_000);
  });

  test("nobody there", async () => {
    const hub = createHubClient("http://127.0.0.1:9", createFleetFetch());
    expect(await hub.heartbeat(body, 1000)).toEqual({ kind: "unreachable", reason: "connection refused" });
    expect(await hub.look(1000)).toEqual({ kind: "away" });
  });
});

describe("a look at the hub", () => {
  test.each([
    ["this version", () => Response.json({ status: "ok" }, boot), { kind: "answered", bootId: "b1" }],
    ["an older hub", () => Response.json({ status: "ok" }), { kind: "answered", bootId: null }],
    ["a proxy whose hub is away", () => new Response("", { status: 503 }), { kind: "away" }],
  ] as const)("%s", async (_name, answer, expected) => {
    expect(await hubThatAnswers(answer).look(1000)).toEqual(expected);
  });
});
