/** What the pages find in the browser besides the web's own: uPlot, loaded by a script tag of its own. */
import type UPlot from "uplot";

declare global {
  const uPlot: typeof UPlot;
}
