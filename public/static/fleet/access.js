// Whether somebody is asked who they are, in one line, with what to do where nobody is; and the way out.
import { html, nothing } from "../lit.js";
import { state } from "./state.js";

async function logOut() {
  await fetch("/logout", { method: "POST" }).catch(() => null);
  location.assign("/static/login.html");
}

/** Learns what the login may do; what is told to all open pages cannot say it. */
export async function learnRole() {
  if (state.hello?.access?.mode !== "closed") return;
  const response = await fetch("/access").catch(() => null);
  const known = await response?.json().catch(() => null);
  state.viewer = known?.role === "viewer";
}

/** The line, or nothing before the hub has said. */
export function access() {
  const known = state.hello?.access;
  if (!known) return nothing;
  return html`<p class="soft access">
    ${known.advice ?? ""}
    ${known.mode === "closed" ? html`<button type="button" @click=${logOut}>Log out</button>` : nothing}
  </p>`;
}
