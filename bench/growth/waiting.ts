/** What it costs to wait, and to be woken, when a thousand do. */
import { createWaitingRoom, type Ticket } from "../../hub/capacity.ts";
import { ANYBODY, type Caller } from "../../hub/policy/callers.ts";
import { systemClock } from "../../shared/clock.ts";
import { modelKey } from "../../shared/model_name.ts";
import { median, type Row } from "./table.ts";

const WAITING = 1_000;
const GOES = 9;
const TARGET_US = 20;
/** Of a node. */
const MODELS = 20;

export async function waiting(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [what, models, callers] of [
    ["one model, one caller", 1, 1],
    ["one model, a thousand callers", 1, WAITING],
    ["20 models, 10 callers", 20, 10],
    ["a thousand models", WAITING, 1],
  ] as const) {
    const enters: number[] = [];
    const wakes: number[] = [];
    for (let go = 0; go < GOES; go++) {
      const { enterUs, wakeUs } = await play(models, callers);
      if (go < 2) continue;
      enters.push(enterUs);
      wakes.push(wakeUs);
    }
    rows.push({
      what: `1,000 wait for ${what}: enqueue`,
      value: median(enters),
      unit: "µs",
      target: ["<=", TARGET_US],
    });
    const woken = Math.min(models, MODELS);
    const each = woken === 1 ? "" : `, each of the ${woken} whom a slot wakes`;
    rows.push({
      what: `1,000 wait for ${what}: wake${each}`,
      value: median(wakes) / woken,
      unit: "µs",
      target: ["<=", TARGET_US],
    });
  }
  return rows;
}

/** A thousand come, and for each place that gets free the next one takes it. */
async function play(models: number, callers: number): Promise<{ enterUs: number; wakeUs: number }> {
  const room = createWaitingRoom({ clock: systemClock, size: WAITING, timeoutMs: 120_000 });
  const { signal } = new AbortController();
  const keys = Array.from({ length: models }, (_, index) => modelKey(`model-${index}`));
  let free = 0;
  let served = 0;
  const wait = async (ticket: Ticket) => {
    while ((await ticket.turn(false)) === "look") {
      if (free === 0) continue;
      free--;
      served++;
      ticket.leave();
      return;
    }
  };
  const began = performance.now();
  for (let index = 0; index < WAITING; index++) {
    const caller: Caller = { ...ANYBODY, id: `caller ${index % callers}`, turn: `caller ${index % callers}` };
    const ticket = room.enter(keys[index % models] ?? "", signal, { caller });
    if (!ticket) throw new Error("no room");
    void wait(ticket);
  }
  const entered = performance.now();
  while (served < WAITING) {
    free = 1;
    const before = served;
    // A slot of a node became free that has 20 of the models at most, one of them that of the first who waits.
    room.wake(
      new Set(Array.from({ length: Math.min(MODELS, models) }, (_, each) => keys[(served + each) % models] ?? "")),
    );
    for (let turns = 0; served === before && turns < 50; turns++) await Promise.resolve();
    if (served === before) throw new Error("nobody was woken");
  }
  const ended = performance.now();
  return { enterUs: ((entered - began) * 1000) / WAITING, wakeUs: ((ended - entered) * 1000) / WAITING };
}
