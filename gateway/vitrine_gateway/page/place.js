// Moving and scaling the product in its scene: by dragging, by keys, and by numbers.
import { pathOf, priceOf } from "/page/api.js";
import { announce, button, make, picture } from "/page/dom.js";
import { label, say } from "/page/language.js";

const FINE = 0.01;
const COARSE = 0.05;
/** The least and the most of each number, as shares of the scene. */
const LIMITS = { x: [0, 1], y: [0.02, 1.3], scale: [0.03, 1.5] };
const NAMES = { x: "fromLeft", y: "baseLine", scale: "height" };
const MOVES = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowUp: ["y", -1], ArrowDown: ["y", 1], "+": ["scale", 1], "=": ["scale", 1], "-": ["scale", -1], _: ["scale", -1] };

/** Return the elements of the editor; `acts.finish` gets {x, y, scale}: middle, base line and height. */
export function place(ad, proposal, acts) {
  const proposed = proposal.job.result.placements[0];
  const editor = new Editor(ad.product, proposal.scene, proposal.placement ?? proposed);
  const price = priceOf("product_ad");
  return [
    say(make("h2"), "placeTitle"),
    say(make("p", { className: "hint", id: "place-hint" }), "placeHint"),
    editor.stage,
    editor.numbers,
    make("div", { className: "actions" }, button("main", "finish", () => acts.finish(editor.placement()), { n: price }),
      button("second", "reset", () => editor.set(proposed)), button("plain", "back", acts.back)),
  ];
}

class Editor {
  constructor(product, scene, start) {
    this.aspect = product.aspect / (scene.width / scene.height); // of shares of the scene's width and height
    this.handle = make("span", { className: "corner" });
    this.product = make("button", { type: "button", className: "product" }, make("img", { src: product.url, alt: "", draggable: false }), this.handle);
    this.product.setAttribute("aria-describedby", "place-hint");
    this.stage = make("div", { className: "stage" }, picture(pathOf(scene.image.url), "scene"), this.product);
    this.stage.style.aspectRatio = `${scene.width} / ${scene.height}`;
    this.stage.style.setProperty("--tall", scene.height / scene.width);
    this.inputs = {};
    this.numbers = make("div", { className: "numbers" }, ...Object.keys(LIMITS).map((name) => this.number(name)));
    this.product.addEventListener("keydown", (event) => this.onKey(event));
    this.product.addEventListener("pointerdown", (event) => this.onGrab(event));
    this.set(start);
  }

  number(name) {
    const [least, most] = LIMITS[name].map((share) => 100 * share);
    const input = make("input", { type: "number", id: `place-${name}`, min: least, max: most, step: 1, inputMode: "decimal" });
    input.addEventListener("change", () => {
      this.set({ [name]: input.value === "" ? this[name] : input.valueAsNumber / 100 });
    });
    this.inputs[name] = input;
    const steps = name === "scale" ? [this.stepper("−", "smaller", -FINE), this.stepper("+", "larger", FINE)] : [];
    return make("div", { className: "field" }, say(make("label", { htmlFor: input.id }), NAMES[name]), make("div", { className: "steppers" }, input, ...steps));
  }

  stepper(sign, key, by) {
    const element = label(make("button", { type: "button", className: "round", textContent: sign }), key);
    element.addEventListener("click", () => this.step("scale", by));
    return element;
  }

  placement() {
    return { x: this.x, y: this.y, scale: this.scale };
  }

  set(values) {
    for (const name of Object.keys(LIMITS)) {
      const [least, most] = LIMITS[name];
      const value = values[name] ?? this[name];
      this[name] = Math.round(1e4 * Math.min(Math.max(value, least), most)) / 1e4;
      this.inputs[name].value = Math.round(1000 * this[name]) / 10;
      this.product.style.setProperty(`--${name}`, this[name]);
    }
    this.product.style.setProperty("--wide", this.scale * this.aspect);
    label(this.product, "placeProduct", this.told());
  }

  told() {
    const percent = (share) => Math.round(100 * share);
    return { x: percent(this.x), y: percent(this.y), scale: percent(this.scale) };
  }

  step(name, by) {
    this.set({ [name]: this[name] + by });
    announce("placeProduct", this.told());
  }

  onKey(event) {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.step(move[0], move[1] * (event.shiftKey && move[0] !== "scale" ? COARSE : FINE));
  }

  onGrab(event) {
    if (event.button !== 0) return;
    const scaling = event.target === this.handle;
    const [before, box] = [this.placement(), this.stage.getBoundingClientRect()];
    const { clientX, clientY } = event;
    this.product.setPointerCapture(event.pointerId);
    const move = ({ clientX: x, clientY: y }) => {
      const [across, down] = [(x - clientX) / box.width, (y - clientY) / box.height];
      if (scaling) this.set({ scale: Math.max(before.scale - down, (before.scale * this.aspect + 2 * across) / this.aspect) });
      else this.set({ x: before.x + across, y: before.y + down });
    };
    const end = () => {
      this.product.removeEventListener("pointermove", move);
      for (const kind of ["pointerup", "pointercancel"]) this.product.removeEventListener(kind, end);
    };
    this.product.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) this.product.addEventListener(kind, end);
  }
}
