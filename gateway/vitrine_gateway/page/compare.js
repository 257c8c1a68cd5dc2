// Two pictures, one over the other, with a slider between them.
import { make, picture } from "/page/dom.js";
import { label } from "/page/language.js";

export function compare(before, after, name) {
  const slider = label(make("input", { type: "range", min: 0, max: 100, value: 50 }), "compare", { name });
  const box = make("div", { className: "compare" },
    Object.assign(picture(after, "result", { name }), { className: "after" }),
    Object.assign(picture(before, "original"), { className: "before" }),
    make("span", { className: "edge" }), slider);
  const move = () => box.style.setProperty("--part", `${slider.value}%`);
  slider.addEventListener("input", move);
  move();
  return box;
}
