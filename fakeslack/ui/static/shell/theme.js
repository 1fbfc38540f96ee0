/** Chooses dark or light before the first paint, and keeps the reader's choice. */

(() => {
  const KEY = "fakeslack.theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const fromSystem = () => (system.matches ? "dark" : "light");

  const chosen = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const keep = (theme) => {
    try {
      if (theme === fromSystem()) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
  };
  const show = (theme) => {
    root.dataset.theme = theme;
  };

  show(chosen() ?? fromSystem());
  system.addEventListener("change", () => show(chosen() ?? fromSystem()));
  addEventListener("storage", (event) => event.key === KEY && show(event.newValue ?? fromSystem()));
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-action=theme]")) return;
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    show(next);
    keep(next);
  });
})();
