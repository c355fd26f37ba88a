// Names what the theme leaves without a name, for screen readers; shows what a link leads to.
(() => {
  "use strict";

  const name = () => document.querySelectorAll(".bd-sidebar-primary summary").forEach((summary) => {
    const chapter = summary.closest("li")?.querySelector("a")?.textContent.trim();
    summary.setAttribute("aria-label", `pages below ${chapter ?? "this one"}`);
  });

  // The formula on this page that a link leads to.
  function formula(link) {
    if (!link.hash || link.pathname !== location.pathname) return null;
    const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    return target?.matches("div.math") ? target : null;
  }

  // The typeset formula once more; its targets stay where they are.
  function copied(math) {
    const copy = (math.querySelector("mjx-container") ?? math).cloneNode(true);
    for (const each of [copy, ...copy.querySelectorAll("[id]")]) each.removeAttribute("id");
    return copy;
  }

  // A link's title is seen by a pointer alone. As a box it is there for the keyboard too, and stays while
  // the pointer is on it; Escape closes it.
  function preview() {
    const box = Object.assign(document.createElement("div"), { className: "scs-preview", id: "scs-preview" });
    box.setAttribute("role", "tooltip");
    box.hidden = true;
    let closing = 0;
    const close = () => { box.hidden = true; };
    const closeSoon = () => { closing = setTimeout(close, 200); };
    const keep = () => clearTimeout(closing);

    function open(link) {
      keep();
      const math = formula(link);
      box.replaceChildren(math ? copied(math) : link.dataset.preview);
      box.hidden = false;
      const [at, own] = [link.getBoundingClientRect(), box.getBoundingClientRect()];
      const left = Math.min(at.left, document.documentElement.clientWidth - own.width - 8);
      const isBelow = at.bottom + own.height + 8 < innerHeight;
      box.style.left = `${Math.max(8, left) + scrollX}px`;
      box.style.top = `${(isBelow ? at.bottom + 4 : at.top - own.height - 4) + scrollY}px`;
    }

    for (const link of document.querySelectorAll("a.reference.internal")) {
      if (!link.title && !formula(link)) continue;
      link.dataset.preview = link.title;
      link.removeAttribute("title");
      link.setAttribute("aria-describedby", box.id);
      link.addEventListener("mouseenter", () => open(link));
      link.addEventListener("focus", () => open(link));
      link.addEventListener("mouseleave", closeSoon);
      link.addEventListener("blur", close);
    }
    box.addEventListener("mouseenter", keep);
    box.addEventListener("mouseleave", closeSoon);
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    document.body.append(box);
  }

  const start = () => { name(); preview(); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
