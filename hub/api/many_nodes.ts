/** A management request that several nodes answer: their answers become one. */

import { CLIENT_CLOSED_REQUEST } from "../../shared/protocol.ts";
import { withoutWords, wordsIn } from "../error_words.ts";
import { goJson } from "../faces/go_json.ts";
import { nativeError } from "../faces/native.ts";
import type { NodeRecord } from "../fleet/node_record.ts";
import { asAttemptError } from "../line.ts";
import { LEFT, readProgress } from "../manage/progress_relay.ts";
import { type Answered, LARGEST_ANSWER, type Sent, send } from "../manage/send.ts";
import { mergePulls, type PullEvent, type PullMerge } from "../policy/pull_progress.ts";
import { readAll } from "../read_answer.ts";
import type { Manner } from "./one_node.ts";
import type { ManageDeps, Visit } from "./visit.ts";

/** How one of several nodes ended. */
export interface Ending {
  readonly node: NodeRecord;
  /** 499 when the client left. */
  readonly status: number;
  /** In words; null when the node did it. */
  readonly error: string | null;
}

/** Asks `node`, one of several, and waits for the end. Never rejects. */
export async function askEach(
  visit: Visit,
  node: NodeRecord,
  body: Parameters<typeof send>[2],
  { isAnswer, onDone }: Manner,
  hub: ManageDeps,
): Promise<Ending> {
  const ending = await endingOf(await send(visit, node, body, hub), isAnswer);
  if (ending.error === null) await onDone(node);
  return ending;
}

/** Reads `sent` to its end and closes it. */
async function endingOf(sent: Sent, isAnswer: Manner["isAnswer"]): Promise<Ending> {
  const { node, status } = sent;
  if (sent.kind === "unanswered") return { node, status, error: sent.message };
  try {
    const body = await readAll(sent, LARGEST_ANSWER);
    const error =
      status >= 300
        ? (wordsIn(body) ?? withoutWords(status))
        : isAnswer(body)
          ? null
          : "what answers there is not Ollama";
    sent.end(error);
    return { node, status: error === null || status >= 400 ? status : 502, error };
  } catch (error) {
    const failure = asAttemptError(error);
    sent.end(failure.message);
    return { node, status: failure.status, error: failure.message };
  }
}

/**
 * What the client is told when not all did it: which nodes failed, why, and which did. The status is their common one
 * when all failed alike, else 500.
 */
export function failed(visit: Visit, endings: readonly Ending[]): Response {
  if (visit.signal.aborted) return visit.left();
  const [first] = endings;
  const alike = endings.every(({ status, error }) => error !== null && status === first?.status);
  return visit.refuse(
    nativeError(alike && first ? first.status : 500, inWords(endings)),
    endings.map(({ node }) => node),
  );
}

/** In the words of a pull on several nodes. */
function inWords(endings: readonly Ending[]): string {
  const merge = mergePulls(endings.map(({ node }) => node.id));
  const lines = endings.flatMap(({ node, error }) =>
    merge.take(error === null ? { nodeId: node.id, line: { status: "success" } } : { nodeId: node.id, ended: error }),
  );
  const last = lines.at(-1);
  return last !== undefined && "error" in last ? last.error : "";
}

/** Lines that may wait for a client that takes none; then the nodes are not read on. */
const WAITING_LINES = 64;

/**
 * One stream of progress for `nodes`, each of which gets `body`. It begins when the first of them answers; when none
 * does with lines, there is no stream and the answer says why.
 */
export async function mergeProgress(
  visit: Visit,
  nodes: readonly NodeRecord[],
  body: Parameters<typeof send>[2],
  manner: Manner,
  hub: ManageDeps,
): Promise<Response> {
  const begun = Promise.withResolvers<Answered>();
  const sending = nodes.map(async (node) => {
    const sent = await send(visit, node, body, hub);
    if (sent.kind !== "answered" || sent.status !== 200) return endingOf(sent, manner.isAnswer);
    begun.resolve(sent);
    return sent;
  });
  const first = await Promise.race([begun.promise, Promise.all(sending)]);
  if (Array.isArray(first)) return failed(visit, first.filter(isEnding));

  const merge = mergePulls(nodes.map(({ id }) => id));
  const stream = mergedStream(visit, sending, withoutForeignStart(merge, visit.path), manner);
  return visit.stream(stream, first.headers, nodes, nodes.length);
}

function isEnding(each: Answered | Ending): each is Ending {
  return "error" in each;
}

/** The merge begins every stream as a pull begins; a push and a create begin otherwise. */
function withoutForeignStart(merge: PullMerge, path: string): PullMerge {
  if (path.includes("/api/pull")) return merge;
  return {
    take: (event) => merge.take(event).filter((line) => "error" in line || line.status !== "pulling manifest"),
  };
}

function mergedStream(
  visit: Visit,
  sending: readonly Promise<Answered | Ending>[],
  merge: PullMerge,
  { onDone }: Manner,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const running = new Set<Answered>();
  /** What waits until the client takes more. */
  let room: PromiseWithResolvers<void> | null = null;
  let over = false;

  const makeRoom = () => {
    room?.resolve();
    room = null;
  };
  const left = () => {
    if (over) return;
    over = true;
    for (const sent of running) sent.end(LEFT);
    makeRoom();
    // Those that have not answered yet are ended by the client's own signal, and written down then.
    void Promise.all(sending).then(() => visit.close(CLIENT_CLOSED_REQUEST, LEFT));
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const pass: Pass = async (event) => {
          for (const line of merge.take(event)) {
            if (over) return;
            const bytes = encoder.encode(`${goJson(line)}\n`);
            visit.record.sent(bytes.byteLength);
            controller.enqueue(bytes);
            if (!("error" in line) && line.status !== "success") continue;
            over = true;
            controller.close();
            visit.close(200, "error" in line ? line.error : null);
          }
          while (!over && (controller.desiredSize ?? 0) <= 0) {
            room ??= Promise.withResolvers();
            await room.promise;
          }
        };
        for (const each of sending) void each.then(begin);
        async function begin(sent: Answered | Ending): Promise<void> {
          if (isEnding(sent)) return pass({ nodeId: sent.node.id, ended: sent.error });
          if (over) return sent.end(LEFT);
          running.add(sent);
          await follow(sent, pass, onDone);
          running.delete(sent);
        }
        if (visit.signal.aborted) left();
        visit.signal.addEventListener("abort", left, { once: true });
      },
      pull: makeRoom,
      cancel: left,
    },
    { highWaterMark: WAITING_LINES },
  );
}

type Pass = (event: PullEvent) => Promise<void>;

/** Reads one node's lines to their end. Its last one is passed on when its books are closed: the merge ends with it. */
async function follow(sent: Answered, pass: Pass, onDone: Manner["onDone"]): Promise<void> {
  const nodeId = sent.node.id;
  let done = false;
  let error: string | null = null;
  const broken = await readProgress(sent, async (line) => {
    if (line.status === "success") done = true;
    else if (typeof line.error === "string") error ??= line.error;
    else await pass({ nodeId, line });
  });
  if (error === null && done) {
    await onDone(sent.node);
    sent.end(null);
    return pass({ nodeId, line: { status: "success" } });
  }
  error ??= broken ?? "its answer ended before it was done";
  sent.end(error);
  return pass({ nodeId, ended: error });
}
