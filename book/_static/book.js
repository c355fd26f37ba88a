// Names what the theme leaves without a name, for screen readers.
(() => {
  "use strict";
  const name = () => document.querySelectorAll(".bd-sidebar-primary summary").forEach((summary) => {
    const chapter = summary.closest("li")?.querySelector("a")?.textContent.trim();
    summary.setAttribute("aria-label", `pages below ${chapter ?? "this one"}`);
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", name);
  else name();
})();
