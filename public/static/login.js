// The login page: shows the hub a key once, and from then on the browser's cookie stands for it.

const form = /** @type {HTMLFormElement} */ (document.getElementById("login"));
const field = /** @type {HTMLInputElement} */ (document.getElementById("key"));
const said = /** @type {HTMLElement} */ (document.getElementById("said"));

/** Goes to the page that was asked for, where that is one of this hub's: whoever made the link may have written anything. */
function goOn() {
  const asked = new URLSearchParams(location.search).get("to") ?? "/";
  const page = /^\/(?![/\\])/.test(asked) ? URL.parse(asked, location.origin) : null;
  // The whole address: a path alone may begin with two slashes once its dots are gone.
  location.replace(page?.origin === location.origin ? page.href : "/");
}

/** Whoever may see the dashboard already has no business here. */
async function leaveIfInside() {
  const response = await fetch("/access").catch(() => null);
  const access = await response?.json().catch(() => null);
  if (access?.mode === "open" || access?.role === "viewer" || access?.role === "admin") goOn();
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
    if (response.ok) return goOn();
    const answer = await response.json().catch(() => null);
    said.textContent = answer?.detail ?? `The hub answered ${response.status}`;
  } catch {
    said.textContent = "The hub does not answer";
  }
  field.select();
}

form.addEventListener("submit", logIn);
void leaveIfInside();
