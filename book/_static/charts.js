// Draws each stored Vega-Lite chart over its picture, in the page's colours and at the page's width.
// Without this script, or if a drawing fails, the picture stays.
(() => {
  "use strict";

  const DARK = {
    axis: {
      labelColor: "#ced6dd", titleColor: "#ced6dd", tickColor: "#9fa8b0",
      domainColor: "#9fa8b0", gridColor: "#3a424a",
    },
    legend: {
      labelColor: "#ced6dd", titleColor: "#ced6dd",
      symbolBaseFillColor: "#ced6dd", symbolBaseStrokeColor: "#ced6dd",
    },
    header: { labelColor: "#ced6dd", titleColor: "#ced6dd" },
    title: { color: "#ced6dd" },
    text: { color: "#ced6dd" },
    rule: { color: "#ced6dd" },
    point: { opacity: 1 }, // Vega's 0.7 lets the dark page through
  };
  const NARROW = 560; // px: below this, charts side by side go below each other
  const COMPOUND = ["hconcat", "vconcat", "concat", "facet", "repeat", "spec"];

  const isDark = () => document.documentElement.dataset.theme === "dark";
  const isCompound = (spec) => COMPOUND.some((key) => key in spec) ||
    ["row", "column", "facet"].some((key) => key in (spec.encoding ?? {}));

  function withConfig(spec, extra) {
    const config = { ...spec.config };
    for (const [key, value] of Object.entries(extra)) {
      const nested = typeof value === "object" && typeof config[key] === "object";
      config[key] = nested ? { ...config[key], ...value } : value;
    }
    return { ...spec, config };
  }

  function stacked(spec) {
    const { hconcat, ...rest } = spec;
    if (hconcat) return { ...rest, vconcat: hconcat };
    if (rest.concat || rest.repeat || (rest.facet && !rest.facet.row)) rest.columns = 1;
    const { column, facet, ...encoding } = rest.encoding ?? {};
    if (column) return { ...rest, encoding: { ...encoding, facet: { ...column, columns: 1 } } };
    if (facet) return { ...rest, encoding: { ...encoding, facet: { ...facet, columns: 1 } } };
    return rest;
  }

  // Breaks a text between words into lines of so many characters.
  function lines(text, most) {
    const made = [""];
    for (const word of text.split(" ")) {
      const longer = `${made.at(-1)} ${word}`.trim();
      if (longer.length > most && made.at(-1)) made.push(word);
      else made[made.length - 1] = longer;
    }
    return made.length > 1 ? made : text;
  }

  // Axis titles in lines, so that a narrow drawing does not cut them off.
  function withLines(node, most) {
    if (Array.isArray(node)) return node.map((each) => withLines(each, most));
    if (node === null || typeof node !== "object") return node;
    const copy = {};
    for (const [key, value] of Object.entries(node))
      copy[key] = key === "data" ? value : withLines(value, most);
    for (const channel of [copy.x, copy.y])
      if (typeof channel?.title === "string") channel.title = lines(channel.title, most);
    return copy;
  }

  function fitted(source, width) {
    const letter = 8; // px, of a title
    const spec = width < NARROW ? withLines(source, Math.floor((0.75 * width) / letter)) : source;
    // Long labels and legends would take a phone's whole width: there they shorten and wrap.
    const small = width < NARROW
      ? {
        axis: { labelLimit: Math.round(width / 3) },
        axisX: { labelOverlap: true, labelSeparation: 4 },
        legend: { columns: width < 420 ? 1 : 2 },
      }
      : {};
    const coloured = withConfig(withConfig(spec, { background: "transparent", ...small }),
      isDark() ? DARK : {});
    if (isCompound(coloured)) return width < NARROW ? stacked(coloured) : coloured;
    return { ...coloured, width: "container", autosize: { type: "fit-x", contains: "padding" } };
  }

  async function embed(chart, spec) {
    const view = chart.querySelector(".scs-chart-view");
    const label = view.getAttribute("aria-label");
    const drawn = await vegaEmbed(view, spec, {
      actions: false,
      ast: true, // no eval: pages may be served under a strict content policy
      bind: chart.querySelector(".scs-chart-controls"),
      defaultStyle: false,
      renderer: "svg",
      tooltip: { theme: isDark() ? "dark" : "light" },
    });
    // Vega makes a document of the drawing, hundreds of stops long for a screen reader.
    view.setAttribute("role", "img");
    view.setAttribute("aria-label", label);
    view.querySelector("svg").setAttribute("aria-hidden", "true"); // the label says it all
    return drawn;
  }

  // "container" does not exist for charts made of panels. The drawing's width is a + b * (width of a
  // panel): two trials give a and b, and so the panel width that fills the page.
  async function drawPanels(chart, spec, width) {
    const widthAt = async (size) => {
      const view = { continuousWidth: size, discreteWidth: size };
      await redraw(chart, withConfig(spec, { view }));
      return chart.querySelector(".scs-chart-view svg").getBoundingClientRect().width;
    };
    // Wide enough that no title and no legend is wider than the panels: it would hide the slope.
    const [small, large, least] = [Math.max(300, 0.7 * width), Math.max(420, 0.9 * width), 60];
    const [atSmall, atLarge] = [await widthAt(small), await widthAt(large)];
    const slope = (atLarge - atSmall) / (large - small);
    if (slope < 0.5) return redraw(chart, spec); // the author set the panels' widths
    let size = Math.max(least, Math.floor(small + (width - atSmall) / slope));
    for (let turn = 0; turn < 4; turn++) { // labels that jut out bend the line a little
      const over = (await widthAt(size)) - width;
      if (over <= 0 || size === least) break;
      size = Math.max(least, size - Math.ceil(over / slope));
    }
  }

  async function redraw(chart, spec) {
    chart.drawn?.finalize();
    chart.querySelector(".scs-chart-controls").replaceChildren();
    chart.drawn = await embed(chart, spec);
  }

  async function draw(chart) {
    const source = JSON.parse(chart.querySelector(".scs-chart-spec").textContent);
    const view = chart.querySelector(".scs-chart-view");
    const width = view.clientWidth;
    if (width === 0) return; // inside something closed; drawn when it opens
    chart.width = width;
    const spec = fitted(source, width);
    await (isCompound(spec) ? drawPanels(chart, spec, width) : redraw(chart, spec));
    // What still does not fit scrolls inside its box, with the keyboard too.
    if (view.scrollWidth > view.clientWidth + 1) view.tabIndex = 0;
    else view.removeAttribute("tabindex");
  }

  // One drawing of a chart at a time: a change of mode or width waits for the one under way.
  function drawSafely(chart) {
    chart.turn = (chart.turn ?? Promise.resolve())
      .then(() => draw(chart))
      .catch((error) => console.error("chart not drawn:", error));
  }

  function start() {
    const charts = [...document.querySelectorAll(".scs-chart")];
    const drawAll = () => charts.forEach(drawSafely);
    new MutationObserver(drawAll).observe(document.documentElement,
      { attributes: true, attributeFilter: ["data-theme"] });
    const sizes = new ResizeObserver((entries) => {
      for (const { target } of entries) {
        const chart = target.parentElement;
        if (Math.abs(target.clientWidth - (chart.width ?? 0)) > 1) drawSafely(chart);
      }
    });
    charts.forEach((chart) => sizes.observe(chart.querySelector(".scs-chart-view")));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
