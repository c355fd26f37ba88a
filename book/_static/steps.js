// Shows the steps of a picture one after another. Without this script all of them are there.
(() => {
  "use strict";

  function start(root) {
    const texts = [...root.querySelectorAll("li")];
    const marks = [...root.querySelectorAll("[data-from]")];
    let step = 0;

    const button = (words, change) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: words });
      made.addEventListener("click", () => { step += change; show(); });
      return made;
    };
    const [back, next] = [button("Back", -1), button("Next", 1)];
    const where = document.createElement("span");
    const answer = document.createElement("p");
    answer.setAttribute("role", "status"); // read out when it changes

    function show() {
      // A button is never disabled: the keyboard's place on it would be lost.
      step = Math.min(Math.max(step, 0), texts.length - 1);
      for (const mark of marks)
        mark.style.display = Number(mark.dataset.from) <= step && step <= Number(mark.dataset.to) ? "" : "none";
      where.textContent = `Step ${step + 1} of ${texts.length}`;
      answer.textContent = texts[step].textContent;
      back.setAttribute("aria-disabled", step === 0);
      next.setAttribute("aria-disabled", step === texts.length - 1);
      root.dataset.step = step;
    }

    root.querySelector(".scs-steps-controls").append(back, next, where, answer);
    root.querySelector("ol").hidden = true;
    root.classList.add("ready");
    show();
  }

  const startAll = () => document.querySelectorAll(".scs-steps").forEach(start);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
