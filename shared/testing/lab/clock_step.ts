/** Loaded into a hub before anything else: its wall clock steps one hour forth on SIGUSR2, and two back on the next one. */

const STEPS_MS = [3_600_000, -7_200_000];

if (process.env.LAB_CLOCK === "steps") {
  const realNow = Date.now;
  const RealDate = Date;
  let offset = 0;
  let steps = 0;
  const now = () => realNow() + offset;
  // What JavaScript sees of the wall clock is Date alone; performance.now is monotonic and left as it is.
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [now()] : args) as object,
    get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
  });
  process.on("SIGUSR2", () => {
    offset += STEPS_MS[steps % STEPS_MS.length] ?? 0;
    steps += 1;
  });
}
