/** A hub that only listens: it writes down heartbeats, and can go away and come back as another one. */
import { HEADERS, type Heartbeat, heartbeat, PATHS } from "../../shared/protocol.ts";

export interface StubHub {
  readonly url: string;
  /** Every heartbeat that was valid, oldest first. */
  readonly heartbeats: readonly Heartbeat[];
  /** What was wrong with those that were not. */
  readonly invalid: readonly string[];
  /** Answers heartbeats with this status instead of accepting them; null accepts again. */
  refuseWith(status: number | null): void;
  goAway(): Promise<void>;
  /** Listens again on the same port, as a hub that was started anew. */
  comeBack(): void;
  stop(): Promise<void>;
}

/** Starts a stub hub on a free port of loopback. */
export function startStubHub(): StubHub {
  const heartbeats: Heartbeat[] = [];
  const invalid: string[] = [];
  let status: number | null = null;
  let boot = 0;
  let server = serve(0);
  const port = server.port ?? 0;

  function serve(port: number) {
    boot += 1;
    const headers = { [HEADERS.hubBootId]: `boot-${boot}` };
    return Bun.serve({
      hostname: "127.0.0.1",
      port,
      async fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === PATHS.healthz) return Response.json({ status: "ok" }, { headers });
        if (pathname !== PATHS.heartbeat) return Response.json({ detail: "Not found" }, { status: 404, headers });
        const parsed = heartbeat.safeParse(await request.json());
        if (!parsed.success) {
          invalid.push(parsed.error.message);
          return Response.json({ detail: "invalid" }, { status: 400, headers });
        }
        heartbeats.push(parsed.data);
        if (status !== null) return Response.json({ detail: "no" }, { status, headers });
        return Response.json({ node_id: parsed.data.node_id, status: "ok", ipv4: "127.0.0.1" }, { headers });
      },
    });
  }

  return {
    url: `http://127.0.0.1:${port}`,
    heartbeats,
    invalid,
    refuseWith: (wanted) => {
      status = wanted;
    },
    goAway: () => server.stop(true),
    comeBack: () => {
      server = serve(port);
    },
    stop: () => server.stop(true),
  };
}
