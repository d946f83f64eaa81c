/** A client of server-sent events that remembers what it heard, and waits for what is to come. */

export interface HeardEvent {
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at single fields of JSON that has a schema elsewhere.
  readonly data: any;
}

export interface EventListener extends AsyncDisposable {
  readonly response: Response;
  /** Everything heard so far. */
  readonly heard: readonly HeardEvent[];
  /** Everything that came, as it came. */
  readonly text: string;
  /** The first `event` that satisfies `wanted`, heard already or not; rejects when the stream ends, or after 10 s. */
  next(event: string, wanted?: (data: HeardEvent["data"]) => boolean): Promise<HeardEvent["data"]>;
  /** Resolves when the stream ends: cleanly, or with the connection's error in words. */
  readonly ended: Promise<"cleanly" | string>;
  close(): void;
}

const PATIENCE_MS = 10_000;

/** Connects to `url`; resolves once its head is here. */
export async function listenToEvents(url: string): Promise<EventListener> {
  const abort = new AbortController();
  const response = await fetch(url, { signal: abort.signal, headers: { accept: "text/event-stream" } });
  const heard: HeardEvent[] = [];
  const waiting = new Set<() => void>();
  let text = "";
  let over = false;

  async function read(): Promise<string> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const piece of response.body ?? []) {
        const more = decoder.decode(piece, { stream: true });
        text += more;
        const blocks = (rest + more).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) take(block);
        for (const look of waiting) look();
      }
      return "cleanly";
    } catch (error) {
      return String(error);
    } finally {
      over = true;
      for (const look of waiting) look();
    }
  }

  function take(block: string): void {
    const fields = block.split("\n").map((line) => /^(\w*): ?(.*)$/.exec(line));
    const value = (name: string) => fields.find((field) => field?.[1] === name)?.[2];
    const data = value("data");
    if (data !== undefined) heard.push({ event: value("event") ?? "message", data: JSON.parse(data) });
  }

  const ended = read();
  const close = () => abort.abort();
  return {
    response,
    heard,
    get text() {
      return text;
    },
    ended,
    next(event, wanted = () => true) {
      const { promise, resolve, reject } = Promise.withResolvers<HeardEvent["data"]>();
      const stop = setTimeout(() => fail("did not come in time"), PATIENCE_MS);
      const settle = () => {
        clearTimeout(stop);
        waiting.delete(look);
      };
      const fail = (why: string) => {
        settle();
        reject(new Error(`the event "${event}" ${why}; heard last: ${JSON.stringify(heard.slice(-3)).slice(0, 2000)}`));
      };
      const look = () => {
        const found = heard.find((each) => each.event === event && wanted(each.data));
        if (found) {
          settle();
          resolve(found.data);
        } else if (over) fail("never came: the stream ended");
      };
      waiting.add(look);
      look();
      return promise;
    },
    close,
    async [Symbol.asyncDispose]() {
      close();
      await ended;
    },
  };
}
