// The login page: shows the hub a key once, and from then on the browser's cookie stands for it.

const form = /** @type {HTMLFormElement} */ (document.getElementById("login"));
const field = /** @type {HTMLInputElement} */ (document.getElementById("key"));
const said = /** @type {HTMLElement} */ (document.getElementById("said"));

/** Whoever may see the dashboard already has no business here. */
async function leaveIfInside() {
  const response = await fetch("/access").catch(() => null);
  const access = await response?.json().catch(() => null);
  if (access?.mode === "open" || access?.role === "viewer" || access?.role === "admin") location.replace("/");
}

/** @param {SubmitEvent} event */
async function logIn(event) {
  event.preventDefault();
  said.textContent = "";
  try {
    const response = await fetch("/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ key: field.value.trim() }),
    });
    if (response.ok) return location.replace("/");
    const answer = await response.json().catch(() => null);
    said.textContent = answer?.detail ?? `The hub answered ${response.status}`;
  } catch {
    said.textContent = "The hub does not answer";
  }
  field.select();
}

form.addEventListener("submit", logIn);
leaveIfInside();
