/** Waiting for something that happens in another process or on a socket. */

/** Resolves when `condition` is true, with the milliseconds it took; rejects naming `what` after `limitMs`. */
export async function until(what: string, condition: () => boolean, limitMs = 5000): Promise<number> {
  const began = performance.now();
  while (!condition()) {
    if (performance.now() - began > limitMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await Bun.sleep(2);
  }
  return performance.now() - began;
}
