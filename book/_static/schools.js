// Solves Eq. 6 of the book in the page: every choice of k schools is tried, so the count is the proof.
// The picture is drawn by scs/book/charts/schools.py; without this script it stays as it is.
(() => {
  "use strict";

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const whole = (value) => Math.round(value).toLocaleString("en");
  const signed = (value) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(1);
  const percent = (share) => `${(100 * share).toFixed(1)} %`;

  // --- the method ------------------------------------------------------------------------------

  // What is left when these schools are free: the minimum over the line a + b x of
  // W_yy - 2 b W_xy + b^2 W_xx + sum_k w_k (y_k - a - b x_k)^2, w_k = n_k, or n_k mu / (n_k + mu) if free.
  function left([w, wx, wy, wxx, wxy, wyy]) {
    const determinant = w * wxx - wx * wx;
    const slope = (w * wxy - wx * wy) / determinant;
    const intercept = (wy - slope * wx) / w;
    return { objective: wyy - intercept * wy - slope * wxy, intercept, slope };
  }

  // The sums of all schools, and what each takes out of them when it is free.
  function sums(schools, ridge) {
    const terms = (w, x, y) => [w, w * x, w * y, w * x * x, w * x * y, w * y * y];
    const [xx, xy, yy] = schools.within;
    const total = [0, 0, 0, xx, xy, yy];
    const freed = schools.n.map((n, k) => {
      terms(n, schools.x[k], schools.y[k]).forEach((term, i) => { total[i] += term; });
      return terms((n * n) / (n + ridge), schools.x[k], schools.y[k]);
    });
    return { total, freed };
  }

  // Tries every choice of so many schools. Returns how many were tried, the best, the next best, and the
  // best with each school.
  function tryAll(schools, count, ridge) {
    const { total, freed } = sums(schools, ridge);
    const result = { tried: 0, best: null, next: null, withSchool: freed.map(() => null) };
    const chosen = [];
    const note = (objective) => {
      result.tried += 1;
      const better = (other) => other === null || objective < other.objective;
      const isKept = better(result.next) || chosen.some((k) => better(result.withSchool[k]));
      if (!isKept) return;
      const choice = { support: [...chosen], objective };
      if (better(result.best)) [result.next, result.best] = [result.best, choice];
      else if (better(result.next)) result.next = choice;
      for (const k of chosen) if (better(result.withSchool[k])) result.withSchool[k] = choice;
    };
    const go = (from, rest, state) => {
      if (rest === 0) { note(left(state).objective); return; }
      for (let k = from; k <= freed.length - rest; k += 1) {
        chosen.push(k);
        go(k + 1, rest - 1, state.map((sum, i) => sum - freed[k][i]));
        chosen.pop();
      }
    };
    go(0, count, total);
    return result;
  }

  // The line and the effects of one choice.
  function fit(schools, support, ridge) {
    const { total, freed } = sums(schools, ridge);
    const state = total.map((sum, i) => support.reduce((rest, k) => rest - freed[k][i], sum));
    const { objective, intercept, slope } = left(state);
    const effects = new Map(support.map((k) => {
      const residual = schools.y[k] - intercept - slope * schools.x[k];
      return [k, (schools.n[k] * residual) / (schools.n[k] + ridge)];
    }));
    return { support, objective, intercept, slope, effects };
  }

  // As many names as the league table gives: the highest and the lowest, one more of the highest if odd.
  function ends(schools, count) {
    const order = schools.y.map((_, k) => k).sort((a, b) => schools.y[a] - schools.y[b]);
    const low = order.slice(0, Math.floor(count / 2));
    return [...low, ...order.slice(order.length - (count - low.length))].sort((a, b) => a - b);
  }

  function choose(n, k) {
    let ways = 1;
    for (let i = 1; i <= k; i += 1) ways = (ways * (n - k + i)) / i;
    return Math.round(ways);
  }

  // --- the picture -----------------------------------------------------------------------------

  function picture(svg, schools) {
    const scale = ([low, high, start, end]) => (value) => start + ((value - low) / (high - low)) * (end - start);
    const [x, y] = [scale(schools.frame.x), scale(schools.frame.y)];
    const [low, high, start, end] = schools.frame.x;
    const order = schools.y.map((_, k) => k).sort((a, b) => schools.y[a] - schools.y[b]);
    const place = new Map(order.map((k, i) => [k, start + ((i + 0.5) / order.length) * (end - start)]));
    const groups = new Map([...svg.querySelectorAll("[data-school]")].map((g) => [Number(g.dataset.school), g]));
    const at = (k, league) => (league ? place.get(k) : x(schools.x[k]));
    const number = (k) => schools.labels[k].replace("School ", "");

    function label(text, words, across, below) {
      const anchor = across < start + 70 ? "start" : across > end - 70 ? "end" : "middle";
      text.textContent = words;
      text.setAttribute("text-anchor", anchor);
      text.setAttribute("x", { start: -6, middle: 0, end: 6 }[anchor]);
      text.setAttribute("y", below ? 18 : -10);
    }

    function draw(fitted, league) {
      const common = svg.querySelector(".scs-common");
      common.setAttribute("y1", y(fitted.intercept + fitted.slope * low));
      common.setAttribute("y2", y(fitted.intercept + fitted.slope * high));
      svg.classList.toggle("league", league);
      for (const [k, group] of groups) {
        const effect = fitted.effects.get(k);
        const across = at(k, league);
        const down = y(schools.y[k]);
        const expected = y(fitted.intercept + fitted.slope * schools.x[k]) - down;
        group.style.transform = `translate(${across}px, ${down}px)`;
        group.classList.toggle("scs-named", effect !== undefined);
        group.querySelector("circle").setAttribute("r", effect === undefined ? 4 : 6);
        group.querySelector(".scs-off").setAttribute("y2", expected);
        const line = group.querySelector(".scs-effect");
        line.setAttribute("y1", expected);
        line.setAttribute("y2", expected + y(effect ?? 0) - y(0));
        const end = group.dataset.place;
        const rest = end && `${number(k)}, ${end} in the table`;
        const words = effect === undefined ? rest : `${number(k)}: ${signed(effect)}`;
        label(group.querySelector("text"), words, across, effect < 0 || (effect === undefined && end === "last"));
      }
    }

    // The school nearest to a click, if one is near.
    function nearest(event, league) {
      const box = svg.getBoundingClientRect();
      const unit = svg.viewBox.baseVal.width / box.width;
      const [across, down] = [(event.clientX - box.left) * unit, (event.clientY - box.top) * unit];
      const far = (k) => Math.hypot(at(k, league) - across, y(schools.y[k]) - down);
      const k = order.reduce((a, b) => (far(b) < far(a) ? b : a));
      return far(k) < 22 ? k : null;
    }

    return { draw, nearest };
  }

  // --- what a reader moves ---------------------------------------------------------------------

  let boxes = 0; // names of radio buttons must differ between two pictures on a page

  function radios(legend, choices, update) {
    const name = `scs-schools-${boxes += 1}`;
    const texts = new Map();
    const inputs = choices.map(([value, words], i) => {
      const input = element("input", { type: "radio", name, value, checked: i === 0 });
      input.addEventListener("change", update);
      texts.set(value, element("span", { textContent: words }));
      return element("label", {}, input, " ", texts.get(value));
    });
    const box = element("fieldset", {}, element("legend", { textContent: legend }), ...inputs);
    const value = () => box.querySelector("input:checked").value;
    const set = (wanted) => { box.querySelector(`input[value="${wanted}"]`).checked = true; };
    return { box, value, set, texts };
  }

  function slider(words, values, begin, hint, update) {
    const shown = element("b", { ariaHidden: "true" });
    const input = element("input", { type: "range", min: 0, max: values.length - 1, step: 1 });
    input.value = values.indexOf(begin);
    const value = () => values[Number(input.value)];
    const tell = () => {
      shown.textContent = value();
      input.setAttribute("aria-valuetext", `${value()}`);
    };
    input.addEventListener("input", () => { tell(); update(); });
    tell();
    const note = element("small", { textContent: hint, id: `scs-schools-hint-${boxes += 1}` });
    input.setAttribute("aria-describedby", note.id);
    const label = element("label", {}, element("span", { textContent: words }), " ", shown, input);
    return { box: element("div", { className: "scs-schools-slider" }, label, note), value };
  }

  function start(root) {
    const schools = JSON.parse(root.querySelector(".scs-schools-data").textContent);
    const svg = root.querySelector("svg");
    const drawn = picture(svg, schools);
    const name = (k) => schools.labels[k];
    const numbers = (support) => support.map((k) => name(k).replace("School ", "")).join(", ");
    const memory = new Map(); // what was tried is not tried again
    const solved = (count, ridge) => {
      const key = `${count} ${ridge}`;
      if (!memory.has(key)) memory.set(key, tryAll(schools, count, ridge));
      return memory.get(key);
    };

    const view = radios("Place the schools by",
      [["intake", "what pupils knew on entry"], ["league", "their place in the league table"]], () => update());
    const count = slider("Schools that may leave the line:", [...Array(schools.most + 1).keys()],
      schools.budget, "The page tries every choice of so many.", () => update());
    const ridge = slider("Price of leaving it:", schools.ridges, schools.ridge,
      "A high price pulls them back to it. Statisticians call it a ridge.", () => update());
    const rivals = [["best", "the best"], ["next", "the next best"],
      ["ends", "both ends of the league table"], ["with", "the best that has"]];
    const rival = radios("Which choice to show", rivals, () => update());
    const wish = element("select", { ariaLabel: "the school that the choice must have" },
      ...schools.labels.map((text, k) => element("option", { value: k, textContent: text })));
    wish.value = ends(schools, 1)[0];
    rival.texts.get("with").parentElement.after(wish);
    const insist = (k) => { wish.value = k; rival.set("with"); update(); };
    wish.addEventListener("change", () => insist(Number(wish.value)));
    const answer = element("div", { className: "scs-schools-answer" });
    answer.setAttribute("role", "status"); // read out when it changes

    const league = () => view.value() === "league";

    function update() {
      const [k, mu] = [count.value(), ridge.value()];
      const found = solved(k, mu);
      const choices = { best: found.best, next: found.next,
        ends: fit(schools, ends(schools, k), mu), with: found.withSchool[Number(wish.value)] };
      const kind = k === 0 ? "best" : rival.value();
      const shown = fit(schools, choices[kind].support, mu);
      rival.box.hidden = k === 0;
      if (k > 0)
        for (const [each, words] of rivals.slice(0, 3))
          rival.texts.get(each).textContent = `${words}: ${numbers(choices[each].support)}`;
      drawn.draw(shown, league());
      tell(k, found, shown);
      Object.assign(root.dataset, { tried: found.tried, support: shown.support.join(" "),
        objective: shown.objective, best: found.best.objective });
    }

    function tell(k, found, shown) {
      const ways = choose(schools.n.length, k);
      const what = k === 0 ? "choice of no school" : `choices of ${k} school${k === 1 ? "" : "s"}`;
      const tried = element("p", {},
        element("strong", { textContent: `${whole(found.tried)} of ${whole(ways)} ${what} tried, none better` }),
        ` than ${k === 0 ? "the line alone" : numbers(found.best.support)}.`);
      const more = shown.objective - found.best.objective;
      const isBest = shown.support.join() === found.best.support.join();
      const price = isBest ? [] : [element("p", { className: "scs-schools-price" },
        `You see ${numbers(shown.support)} instead. Price: ${percent(more / found.best.objective)} more left `
        + `unexplained (${whole(more)} squared points).`)];
      const list = element("ul", {}, ...shown.support.map((each) => element("li", {},
        `${name(each)}: ${signed(shown.effects.get(each))} points`,
        schools.named.includes(each) ? "" : ", which may be chance")));
      answer.replaceChildren(tried, ...price, list);
    }

    svg.addEventListener("click", (event) => {
      const k = drawn.nearest(event, league());
      if (k !== null && count.value() > 0) insist(k);
    });
    root.querySelector(".scs-schools-panel").append(view.box, count.box, ridge.box, answer, rival.box);
    root.classList.add("ready");
    update();
  }

  const startAll = () => document.querySelectorAll(".scs-schools").forEach(start);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
