/** One of those that are measured side by side. */

export const NAMES = ["direct", "nginx", "HAProxy", "hub", "hub + node"] as const;
export type Name = (typeof NAMES)[number];

export interface Contender {
  readonly name: Name;
  /** Where a client asks it, on 127.0.0.1. */
  readonly port: number;
  /** The processes whose time and memory are its own; none for `direct`. */
  pids(): number[];
  end(): Promise<void>;
}
