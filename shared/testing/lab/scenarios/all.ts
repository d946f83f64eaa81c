/** Every scenario, in the order in which they are played. */
import type { Scenario } from "../scenario.ts";
import { aborts } from "./aborts.ts";
import { failover } from "./failover.ts";
import { hub } from "./hub.ts";
import { kill } from "./kill.ts";
import { lossy } from "./lossy.ts";
import { memory } from "./memory.ts";
import { nemesis } from "./nemesis.ts";
import { overload } from "./overload.ts";
import { rolling } from "./rolling.ts";
import { soak } from "./soak.ts";

export const SCENARIOS: readonly Scenario[] = [
  kill,
  nemesis,
  failover,
  aborts,
  rolling,
  lossy,
  soak,
  overload,
  hub,
  memory,
];
