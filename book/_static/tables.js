// Makes the book's tables sortable, filterable and downloadable. Without this script they are plain.
(() => {
  "use strict";

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const valueOf = (cell) => cell.dataset.value ?? cell.textContent;

  // Numbers by size, texts as a reader would (B2 before B10); what is missing comes last both ways.
  function comparison(column, numeric, sign) {
    const texts = new Intl.Collator("en", { numeric: true });
    return (a, b) => {
      const [x, y] = [a, b].map((row) => valueOf(row.cells[column]));
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (numeric ? Number.parseFloat(x) - Number.parseFloat(y) : texts.compare(x, y));
    };
  }

  function makeSortable(heads, body, original) {
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    heads.forEach((head, column) => {
      const button = element("button", { type: "button", title: "sort" }, ...head.childNodes);
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const order = next[head.getAttribute("aria-sort")];
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", order);
        const by = comparison(column, head.classList.contains("num"), order === "ascending" ? 1 : -1);
        const rows = order === "none" ? original : [...original].sort(by);
        body.append(...rows);
      });
    });
  }

  function filters(heads, rows, update) {
    return heads.flatMap((head, column) => {
      if (!head.dataset.filter) return [];
      const select = element("select", {}, element("option", { value: "", textContent: "all" }));
      for (const text of new Set(rows.map((row) => row.cells[column].textContent)))
        select.append(element("option", { textContent: text }));
      select.addEventListener("change", update);
      const name = head.textContent.trim();
      select.setAttribute("aria-label", name);
      const label = element("label", {}, name, " ", select);
      return [{ label, passes: (row) =>
        select.selectedIndex === 0 || row.cells[column].textContent === select.value }];
    });
  }

  function download(box, heads, body) {
    const field = (text) => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    const shown = [...body.rows].filter((row) => !row.hidden);
    const lines = [heads.map((head) => head.textContent.trim()),
      ...shown.map((row) => [...row.cells].map((cell) => valueOf(cell).trim()))];
    const csv = lines.map((line) => line.map(field).join(",") + "\r\n").join("");
    const address = URL.createObjectURL(new Blob(["\ufeff", csv], { type: "text/csv" }));
    element("a", { href: address, download: `${box.dataset.file}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  function enhance(box) {
    const table = box.querySelector("table");
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const caption = table.caption?.textContent
      ?? box.closest("figure")?.querySelector("figcaption")?.textContent ?? "Table";

    const count = element("output", { className: "scs-table-count" });
    const update = () => {
      rows.forEach((row) => { row.hidden = !chosen.every((filter) => filter.passes(row)); });
      const shown = rows.filter((row) => !row.hidden).length;
      const all = `${rows.length} row${rows.length === 1 ? "" : "s"}`;
      count.textContent = shown === rows.length ? all : `${shown} of ${all}`;
    };
    const chosen = filters(heads, rows, update);
    const save = element("button", { type: "button", textContent: "Download CSV" });
    save.addEventListener("click", () => download(box, heads, body));
    makeSortable(heads, body, rows);
    update();

    // Only the table scrolls, with the keyboard too; the caption and the choices stay in view.
    const scroller = element("div", { className: "scs-table-scroll", tabIndex: 0 });
    scroller.setAttribute("role", "region");
    scroller.setAttribute("aria-label", `Table: ${caption.replace("#", "").trim()}`);
    table.before(scroller);
    scroller.append(table);
    scroller.before(
      element("p", { className: "scs-table-caption", textContent: caption, ariaHidden: "true" }),
      element("div", { className: "scs-table-tools" },
        ...chosen.map((filter) => filter.label), count, save,
        element("span", { className: "scs-table-more", textContent: "more columns \u2192", ariaHidden: "true" })));
    box.classList.add("ready");
    const edge = () => scroller.classList.toggle("more",
      scroller.scrollWidth - scroller.clientWidth - scroller.scrollLeft > 2);
    scroller.addEventListener("scroll", edge, { passive: true });
    new ResizeObserver(edge).observe(scroller);
  }

  const start = () => document.querySelectorAll(".scs-table").forEach(enhance);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
