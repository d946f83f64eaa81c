/** Those who listen to a stream of events: each gets what it wants as fast as it takes it, and no more waits than fits. */

/** Bytes that may wait for one subscriber, beside what it gets when it comes. */
export const LARGEST_BACKLOG = 4_000_000;

/** The connection of one subscriber. */
export interface Listener<Topic extends string> {
  readonly topics: ReadonlySet<Topic>;
  /** Aborted when it has gone. */
  readonly signal: AbortSignal;
  /** Closes its connection, whatever is still on its way to it. */
  readonly hangUp: () => void;
  /** False as soon as it would not be let in any more: its key was revoked, its login is over. */
  readonly mayStay: () => boolean;
}

interface Subscriber<Topic extends string> extends Listener<Topic> {
  /** The same bytes for all subscribers: what waits for many is in memory once. */
  readonly waiting: Uint8Array[];
  /** Bytes of what waits, without what it got when it came. */
  backlog: number;
  controller: ReadableStreamDefaultController<Uint8Array> | null;
  /** Set while it wants more and there is nothing. */
  give: (() => void) | null;
}

/** Nobody yet. `onChange` is called when somebody has come or gone. */
export function createSubscribers<Topic extends string>(onChange: () => void) {
  const all = new Set<Subscriber<Topic>>();

  function forget(subscriber: Subscriber<Topic>): void {
    subscriber.waiting.length = 0;
    if (all.delete(subscriber)) onChange();
  }

  /** It takes nothing: it is to come again, and gets everything anew. */
  function cut(subscriber: Subscriber<Topic>): void {
    forget(subscriber);
    // An error alone leaves the connection open as long as it does not take what is in it.
    subscriber.hangUp();
    subscriber.controller?.error(new Error(`it left ${LARGEST_BACKLOG / 1e6} MB waiting`));
  }

  /** Who has not taken what was sent is hung up on. */
  function end(subscriber: Subscriber<Topic>): void {
    forget(subscriber);
    if (!subscriber.give) subscriber.hangUp();
    subscriber.controller?.close();
    subscriber.give?.();
  }

  function put(subscriber: Subscriber<Topic>, bytes: Uint8Array): void {
    const { give, controller } = subscriber;
    if (give && controller) {
      subscriber.give = null;
      controller.enqueue(bytes);
      return give();
    }
    subscriber.waiting.push(bytes);
    subscriber.backlog += bytes.byteLength;
    if (subscriber.backlog > LARGEST_BACKLOG) cut(subscriber);
  }

  return {
    get size() {
      return all.size;
    },

    /** True while somebody listens to `topic`. */
    wants(topic: Topic): boolean {
      for (const { topics } of all) if (topics.has(topic)) return true;
      return false;
    },

    /** The stream of a new subscriber, which begins with `opening`. It is forgotten as soon as it goes. */
    add(listener: Listener<Topic>, opening: Uint8Array): ReadableStream<Uint8Array> {
      const subscriber: Subscriber<Topic> = {
        ...listener,
        waiting: [opening],
        backlog: 0,
        controller: null,
        give: null,
      };
      const gone = () => forget(subscriber);
      if (!listener.signal.aborted) all.add(subscriber);
      // A stream that nobody has begun to read is never told that its reader has gone.
      listener.signal.addEventListener("abort", gone, { once: true });
      onChange();
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            subscriber.controller = controller;
          },
          pull(controller) {
            const next = subscriber.waiting.shift();
            if (next === undefined) {
              return new Promise<void>((resolve) => {
                subscriber.give = resolve;
              });
            }
            if (next !== opening) subscriber.backlog -= next.byteLength;
            controller.enqueue(next);
            return undefined;
          },
          cancel: gone,
        },
        { highWaterMark: 0 },
      );
    },

    /** `bytes` to everybody who listens to `topic`, or to all. */
    send(topic: Topic | null, bytes: Uint8Array): void {
      for (const subscriber of all) if (topic === null || subscriber.topics.has(topic)) put(subscriber, bytes);
    },

    /** Ends the streams of those who may not listen any more. */
    review(): void {
      for (const subscriber of all) if (!subscriber.mayStay()) end(subscriber);
    },

    /** Ends every stream. */
    end(): void {
      for (const subscriber of all) end(subscriber);
    },
  };
}
