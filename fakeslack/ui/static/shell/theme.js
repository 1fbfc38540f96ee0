/** Theme: chooses dark or light before the first paint and saves the person's choice. */

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
      // The browser forbids storage: the choice lasts until the page closes.
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
