/** What a page costs the browser's main thread: processor time, which other programs on the machine do not add to. */
import type { CDPSession, Page } from "playwright-core";

export interface MainThread {
  /** Milliseconds of processor time the page's main thread took for everything until `work` and two frames more ended. */
  cost(work: () => Promise<unknown>): Promise<number>;
}

/** Starts counting. */
export async function watchMainThread(page: Page): Promise<MainThread> {
  const session: CDPSession = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0) * 1000;
  };
  return {
    async cost(work) {
      const before = await spent();
      await work();
      await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
      return (await spent()) - before;
    },
  };
}

/** The middle one of `values`. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/**
 * Milliseconds of processor time this machine takes for a fixed piece of what pages do: objects, texts and elements. On
 * the machine of 2026 on which the bounds were set it is 20 to 25; bounds are multiples of it, not of the clock.
 */
export async function unitOfWork(page: Page, thread: MainThread): Promise<number> {
  const idle = await thread.cost(async () => {});
  const work = () =>
    page.evaluate(`(() => {
      const place = document.createElement("div");
      for (let row = 0; row < 2000; row++) {
        const one = document.createElement("p");
        one.className = "row" + row;
        one.textContent = JSON.stringify({ row, name: "node-" + row, parts: [row, row + 1] });
        place.append(one);
      }
      document.body.append(place);
      const height = place.getBoundingClientRect().height;
      place.remove();
      return height;
    })()`);
  await work();
  const costs = [];
  for (let round = 0; round < 5; round++) costs.push(await thread.cost(work));
  return median(costs) - idle;
}
