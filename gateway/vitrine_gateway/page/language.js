// Words in the page's language. What `say` and `label` have written follows a change of the language.
import { keep, kept } from "/page/kept.js";
import en from "/page/words_en.js";
import ko from "/page/words_ko.js";

const WORDS = { en, ko };
const KEPT = "language";
export let language = chosen() ?? (navigator.language.startsWith("ko") ? "ko" : "en");

function chosen() {
  const name = kept("localStorage", KEPT);
  return Object.hasOwn(WORDS, name) ? name : null;
}

export function word(key, values = {}) {
  if (!(key in WORDS[language])) console.error(`there is no word ${key}`);
  return (WORDS[language][key] ?? key)
    .replace(/\{(\w+)\|(.*?)\|(.*?)\}/g, (whole, name, one, many) => (values[name] === 1 ? one : many))
    .replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Set an element's text. */
export function say(element, key, values = {}) {
  element.dataset.word = key;
  element.dataset.values = JSON.stringify(values);
  element.textContent = word(key, values);
  return element;
}

/** Set what a screen reader calls an element: the text of a picture, or a label. */
export function label(element, key, values = {}) {
  element.dataset.label = key;
  element.dataset.labelValues = JSON.stringify(values);
  element.setAttribute(element.tagName === "IMG" ? "alt" : "aria-label", word(key, values));
  return element;
}

export function setLanguage(name) {
  language = name;
  keep("localStorage", KEPT, name);
  translate();
  document.dispatchEvent(new Event("language"));
}

export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = word(element.dataset.word, JSON.parse(element.dataset.values ?? "{}"));
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    label(element, element.dataset.label, JSON.parse(element.dataset.labelValues ?? "{}"));
  }
  for (const element of document.querySelectorAll("[data-holder]")) {
    element.placeholder = word(element.dataset.holder);
  }
}
