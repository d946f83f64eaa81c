// What the hub says, as it happens: by events, or, where these do not come through, asked every three seconds.

const REFRESH_MS = 3000;
/** The hub says every five seconds that it is there: after this silence it is not, whatever the browser believes. */
const SILENCE_MS = 12_000;
/** How long events may take to begin. A proxy that holds them back lets nothing through for minutes. */
const FIRST_EVENT_MS = 5000;
/** While pages live on asking, how often events are tried again. */
const RETRY_EVENTS_MS = 30_000;

/** How long an answer may take. */
const ASK_MS = 10_000;
/** The same for a first look at a hub that fell silent. */
const LOOK_MS = 3000;
/** How long a page that nobody sees keeps its events: a browser has six connections to a hub for all its pages. */
const HIDDEN_MS = 20_000;

/** Where the same is asked, by topic. The rest comes with events only. */
const ASKED = {
  fleet: "/nodes",
  queue: "/queue",
  requests: "/logs?limit=1000&request_json=0",
};

/**
 * @typedef {"connecting" | "live" | "asking" | "lost"} Connection
 * @typedef {object} Handlers What a page does with each piece of news; those it leaves out it does not get.
 * @property {(connection: Connection, since: Date) => void} [connection]
 * @property {(hello: import("../contract.d.ts").Hello) => void} [hello] First of every connection.
 * @property {(nodes: import("../contract.d.ts").Node[]) => void} [fleet] All nodes.
 * @property {(news: { changed: import("../contract.d.ts").Node[], removed: string[] }) => void} [nodes]
 * @property {(queue: import("../contract.d.ts").Queue) => void} [queue]
 * @property {(running: import("../contract.d.ts").RunningList) => void} [running]
 * @property {(news: { finished: import("../contract.d.ts").Brief[], missed: number }) => void} [requests]
 * @property {(all: import("../contract.d.ts").Brief[]) => void} [log] The whole log: after each connection, and while asking.
 * @property {(sample: import("../contract.d.ts").Sample) => void} [stats]
 * @property {(news: { happenings: import("../contract.d.ts").Happening[] }) => void} [happenings]
 */

/** Asks the hub for JSON. Rejects with a sentence. @param {string} path @param {RequestInit} [init] */
export async function ask(path, init) {
  const response = await fetch(path, { signal: AbortSignal.timeout(ASK_MS), ...init }).catch(() => {
    throw new Error("the hub does not answer");
  });
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  // The login is over, or the hub asks for a key since a moment ago.
  if (response.status === 401)
    location.assign(`/static/login.html?to=${encodeURIComponent(location.pathname + location.search)}`);
  // OpenAI's and Anthropic's routes word an error as an object.
  const words = answer?.detail ?? answer?.error?.message ?? answer?.error;
  throw new Error(typeof words === "string" ? words : `the hub answered ${response.status}`);
}

/**
 * Keeps the page told of `topics` as long as it is open. @param {("fleet" | "queue" | "running" | "requests" |
 * "happenings")[]} topics @param {Handlers} handlers
 */
export function follow(topics, handlers) {
  /** @type {EventSource | null} */
  let events = null;
  /** @type {Connection | null} */
  let state = null;
  let heardAt = 0;
  let triedEventsAt = 0;
  let lookedAt = Number.NEGATIVE_INFINITY;
  /** The asking for the whole log that is under way; it may take as long as the way is slow. @type {AbortController | null} */
  let logLoad = null;
  /** Whether the events were given up because nobody sees the page, and the timer for it. */
  let asleep = false;
  let falling = 0;

  /** @param {Connection} now */
  function be(now) {
    if (now === state) return;
    state = now;
    handlers.connection?.(now, new Date());
  }

  function openEvents() {
    events?.close();
    triedEventsAt = performance.now();
    heardAt = 0;
    events = new EventSource(`/events?topics=${[...topics, "stats"].join()}`);
    for (const name of ["hello", "fleet", "nodes", "queue", "running", "requests", "stats", "happenings", "alive"]) {
      events.addEventListener(name, ({ data }) => {
        heardAt = performance.now();
        if (name === "hello") {
          be("live");
          logLoad?.abort();
          if (handlers.log) void loadLog();
        }
        const news = JSON.parse(data);
        const handler = handlers[/** @type {keyof Handlers} */ (name)];
        handler?.(/** @type {never} */ (name === "fleet" ? news.nodes : news), /** @type {never} */ (undefined));
      });
    }
    // The browser connects again by itself, except after an answer that is no event stream.
    events.addEventListener("error", () => {
      heardAt = 0;
      triedEventsAt = Math.min(triedEventsAt, performance.now() - FIRST_EVENT_MS + REFRESH_MS);
      lookSoon();
    });
  }

  /** Events bring what is finished from now on; what was before is asked once. */
  async function loadLog() {
    logLoad = new AbortController();
    const { signal } = logLoad;
    try {
      handlers.log?.(await ask(ASKED.requests, { signal }));
    } catch {
      // A slow way, or a hub that has just gone: then the next connection asks.
      if (!signal.aborted && state === "live") setTimeout(() => signal.aborted || loadLog(), REFRESH_MS);
    }
  }

  const eventsFlow = () => heardAt > 0 && performance.now() - heardAt < SILENCE_MS;

  async function look() {
    if (eventsFlow() || asleep) return;
    const now = performance.now();
    if (state === "connecting" && now - triedEventsAt < FIRST_EVENT_MS) return;
    // Each event stream that fails asks for a look as well: the timer's own, a little early, is soon enough.
    if (now - lookedAt < REFRESH_MS - 100) return;
    lookedAt = now;
    if (now - triedEventsAt > (state === "asking" ? RETRY_EVENTS_MS : FIRST_EVENT_MS)) openEvents();
    try {
      for (const topic of topics) {
        if (topic === "fleet") handlers.fleet?.(await ask(ASKED.fleet, { signal: AbortSignal.timeout(LOOK_MS) }));
        else if (topic === "queue") handlers.queue?.(await ask(ASKED.queue));
        else if (topic === "requests") handlers.log?.(await ask(ASKED.requests));
      }
      if (!eventsFlow()) be("asking");
    } catch {
      if (!eventsFlow()) be("lost");
    }
  }

  /** @type {Promise<void>} */
  let looking = Promise.resolve();
  const lookSoon = () => {
    looking = looking.then(look);
  };
  openEvents();
  be("connecting");
  setInterval(lookSoon, REFRESH_MS);

  document.addEventListener("visibilitychange", () => {
    clearTimeout(falling);
    if (document.hidden) {
      falling = setTimeout(() => {
        asleep = true;
        events?.close();
      }, HIDDEN_MS);
    } else if (asleep) {
      asleep = false;
      openEvents();
    }
  });
}

/** What a page says of its connection. @param {Connection} connection @param {Date} since */
export function connectionWords(connection, since) {
  switch (connection) {
    case "live":
      return "Live";
    case "connecting":
      return "Connecting…";
    case "asking":
      return "Refreshed every 3 s (live events do not come through)";
    case "lost":
      return `No connection to the hub since ${since.toLocaleTimeString()}; trying again`;
  }
}
