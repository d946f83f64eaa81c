// Runs before anything is painted: the theme chosen here earlier, else the system's.
(() => {
  const KEY = "theme";
  const THEMES = ["system", "light", "dark"];
  const root = document.documentElement;

  // Storage may be closed to a page, as in some private windows; the theme then lasts as long as the page.
  let chosen = "system";
  try {
    chosen = localStorage.getItem(KEY) ?? "system";
  } catch {}
  if (!THEMES.includes(chosen)) chosen = "system";

  /** @param {string} theme */
  function apply(theme) {
    chosen = theme;
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    dispatchEvent(new Event("themechange"));
  }
  apply(chosen);

  addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("theme");
    if (!(select instanceof HTMLSelectElement)) return;
    select.value = chosen;
    select.addEventListener("change", () => {
      apply(select.value);
      try {
        localStorage.setItem(KEY, chosen);
      } catch {}
    });
  });
  // What is drawn on a canvas has to be drawn again.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));
})();
