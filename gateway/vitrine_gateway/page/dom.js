// Small helpers for elements.
import { label, say, word } from "/page/language.js";

export const find = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function button(className, key, act, values = {}) {
  const element = say(make("button", { type: "button", className }), key, values);
  element.addEventListener("click", act);
  return element;
}

/** A picture whose text for screen readers is the word `key`. */
export function picture(src, key, values = {}) {
  return label(make("img", { src }), key, values);
}

/** Tell a screen reader what has happened, without moving the focus. */
export function announce(key, values) {
  find("status").textContent = word(key, values);
}

/** Scroll to what has changed if it is below the part of the page that is seen, as on a phone. */
export function bring(element) {
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > 0.3 * innerHeight) element.scrollIntoView({ block: "start" });
}

/** Show an error where it belongs, and bring it into view; without one, take it away. */
export function tell(id, error) {
  find(id).textContent = error ? error.message : "";
  if (error) find(id).scrollIntoView({ block: "nearest" });
}
