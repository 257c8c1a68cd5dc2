// The view for try-ons: one job for each garment, each result as soon as it is there.
import { pathOf, priceOf, submit } from "/page/api.js";
import { compare } from "/page/compare.js";
import { bring, find, make, saving } from "/page/dom.js";
import { failure, JobBox, stopped } from "/page/job.js";
import { label, say, word } from "/page/language.js";
import { PhotoField, sample } from "/page/photos.js";

const KINDS = [["upper_body", "upper"], ["lower_body", "lower"], ["dresses", "dress"]];
let people, garments;

export function startTryOn() {
  people = new PhotoField(find("person-field"), { id: "person", title: "person", hint: "personHint", changed: showPrice });
  garments = new PhotoField(find("garment-field"), {
    id: "garment", title: "garments", hint: "garmentsHint", several: true, extra: kindOf, changed: showPrice,
  });
  find("try-on").addEventListener("submit", (event) => { event.preventDefault(); tryAll(); });
  find("try-on-sample").addEventListener("click", addSamples);
  document.addEventListener("credits", showPrice);
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

function tryAll() {
  const missing = !people.photos.length ? "needPerson" : !garments.photos.length ? "needGarment" : "";
  find("try-on-message").textContent = missing && word(missing);
  if (missing) {
    (people.photos.length ? garments : people).input.focus();
    return;
  }
  find("try-on-empty").hidden = true;
  const person = people.photos[0].file;
  const items = garments.photos.map(({ file, more }) => {
    const item = make("li");
    tryOn(person, file, more.value, item);
    return item;
  });
  find("try-on-results").prepend(...items);
  bring(find("try-on-bench"));
}

async function tryOn(person, garment, category, item) {
  const name = garment.name.replace(/\.\w+$/, "");
  const again = () => tryOn(person, garment, category, item);
  const shown = new JobBox("result", { name });
  item.replaceChildren(shown.box);
  const form = new FormData();
  for (const [field, value] of Object.entries({ person, garment, category, previews: "true" })) form.append(field, value);
  try {
    const job = await shown.run(submit("try_on", form));
    if (job.status === "canceled") item.replaceChildren(stopped(again));
    else {
      const made = pathOf(job.result.image.url);
      item.replaceChildren(compare(URL.createObjectURL(person), made, name),
        make("div", { className: "foot" }, make("p", { className: "strong" }, name), saving(made, `try-on-${name}`)));
    }
  } catch (error) {
    item.replaceChildren(failure(error, again));
  }
}
