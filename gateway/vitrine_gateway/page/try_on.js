// The view for try-ons: one job for each garment, each result as soon as it is there.
import { Order, pathOf, priceOf } from "/page/api.js";
import { compare } from "/page/compare.js";
import { bring, find, make } from "/page/dom.js";
import { failure, JobBox, stopped } from "/page/job.js";
import { label, say, word } from "/page/language.js";
import { PhotoField, sample } from "/page/photos.js";
import { saving } from "/page/saving.js";

const KINDS = [["upper_body", "upper"], ["lower_body", "lower"], ["dresses", "dress"]];
/** Within this time a second press belongs to the first one, though all was answered. */
const TWICE_MS = 700;
let people, garments;
let sending = false;

export function startTryOn() {
  people = new PhotoField(find("person-field"), { id: "person", title: "person", hint: "personHint", changed: showPrice });
  garments = new PhotoField(find("garment-field"), {
    id: "garment", title: "garments", hint: "garmentsHint", several: true, extra: kindOf, changed: showPrice,
  });
  find("try-on").addEventListener("submit", (event) => { event.preventDefault(); tryAll(); });
  find("try-on-sample").addEventListener("click", addSamples);
  document.addEventListener("credits", showPrice);
  document.addEventListener("erased", () => find("try-on-results").replaceChildren());
  showPrice();
}

function kindOf(file) {
  const chosen = label(make("select"), "kindOf", { name: file.name });
  chosen.append(...KINDS.map(([value, key]) => say(make("option", { value }), key)));
  return chosen;
}

function showPrice() {
  const n = garments.photos.length * priceOf("try_on");
  say(find("try-on-go"), n ? "tryOnCost" : "tryOnGo", { n });
}

async function addSamples() {
  people.add([await sample("person")]);
  garments.add(await Promise.all([1, 2, 3].map((n) => sample(`garment-${n}`))));
  garments.photos.at(-1).more.value = "lower_body";
  find("try-on-go").focus();
}

async function tryAll() {
  if (sending) return; // a second press would pay a second time
  const missing = !people.photos.length ? "needPerson" : !garments.photos.length ? "needGarment" : "";
  find("try-on-message").textContent = missing && word(missing);
  if (missing) {
    (people.photos.length ? garments : people).input.focus();
    return;
  }
  find("try-on-empty").hidden = true;
  const person = people.photos[0].file;
  const cards = garments.photos.map(({ file, more }) => card(person, file, more.value));
  find("try-on-results").prepend(...cards.map(({ item }) => item));
  bring(find("try-on-bench"));
  setSending(true);
  await Promise.all([...cards.map(({ answered }) => answered), new Promise((done) => setTimeout(done, TWICE_MS))]);
  setSending(false);
}

function setSending(is) {
  sending = is;
  find("try-on-go").setAttribute("aria-disabled", is); // and not `disabled`, which would take the focus away
}

/** Begin a try-on; return its item of the list, and a promise that is kept when the gateway has answered. */
function card(person, garment, category) {
  const item = make("li");
  const form = new FormData();
  for (const [field, value] of Object.entries({ person, garment, category, previews: "true" })) form.append(field, value);
  return { item, answered: tryOn({ person, name: garment.name.replace(/\.\w+$/, "") }, new Order("try_on", form), item) };
}

function tryOn(photos, order, item) {
  const shown = new JobBox("result", { name: photos.name });
  item.replaceChildren(shown.box);
  run(photos, order, item, shown);
  return shown.answered;
}

async function run({ person, name }, order, item, shown) {
  const again = () => tryOn({ person, name }, order, item);
  try {
    const job = await shown.run(order);
    if (job.status === "canceled") item.replaceChildren(stopped(again));
    else {
      const made = pathOf(job.result.image.url);
      item.replaceChildren(compare(URL.createObjectURL(person), made, name),
        make("div", { className: "foot" }, make("p", { className: "strong" }, name), saving(job, `try-on-${name}`)));
    }
  } catch (error) {
    item.replaceChildren(failure(error, again));
  }
}
