// A field for photos: choose, drop or use the camera; shows what was chosen, and takes it away again.
import { photograph } from "/page/camera.js";
import { find, button, make, picture } from "/page/dom.js";
import { label, say, word } from "/page/language.js";

const MOST = 16;

/** A field in the element `place`. `photos` are {file, url, more}; `more` is what `extra` has made for it. */
export class PhotoField {
  constructor(place, { id, title, hint, several = false, extra = null, changed = () => {} }) {
    Object.assign(this, { several, extra, changed, photos: [] });
    this.input = make("input", { type: "file", id, accept: "image/*", multiple: several, className: "quiet" });
    this.input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
    this.input.addEventListener("change", () => this.add([...this.input.files]));
    this.shown = make("ul", { className: "photos" });
    this.call = say(make("span", { className: "strong" }), "choose");
    this.error = make("p", { className: "error", id: `${id}-error` });
    this.zone = make("div", { className: several ? "drop" : "drop one" }, this.input, this.shown,
      make("label", { className: "call", htmlFor: id }, icon(), this.call));
    place.append(make("div", { className: "field" },
      make("div", { className: "between" }, say(make("label", { htmlFor: id }), title),
        button("plain", "useCamera", async () => { const photo = await photograph(); if (photo) this.add([photo]); })),
      say(make("p", { className: "hint", id: `${id}-hint` }), hint), this.zone, this.error));
    this.acceptDrops();
  }

  acceptDrops() {
    const over = (is) => (event) => { event.preventDefault(); this.zone.classList.toggle("over", is); };
    this.zone.addEventListener("dragover", over(true));
    this.zone.addEventListener("dragleave", over(false));
    this.zone.addEventListener("drop", (event) => { over(false)(event); this.add(dropped(event.dataTransfer)); });
  }

  add(files) {
    const wrong = files.find(refusal);
    this.error.textContent = wrong ? word(refusal(wrong), { name: wrong.name }) : "";
    const good = files.filter((file) => !refusal(file));
    if (!good.length) return;
    if (!this.several) this.clear();
    for (const file of good.slice(0, this.several ? MOST - this.photos.length : 1)) this.put(file);
    this.input.value = "";
    this.tellCount();
  }

  put(file) {
    const photo = { file, url: URL.createObjectURL(file) };
    const remove = label(make("button", { type: "button", className: "round", textContent: "×" }), "remove", { name: file.name });
    photo.item = make("li", {}, picture(photo.url, "photoOf", { name: file.name }), remove);
    if (this.extra) photo.item.append((photo.more = this.extra(file)));
    remove.addEventListener("click", () => {
      this.drop(photo);
      this.input.focus();
      this.tellCount();
    });
    this.photos.push(photo);
    this.shown.append(photo.item);
  }

  drop(photo) {
    URL.revokeObjectURL(photo.url);
    photo.item.remove();
    this.photos = this.photos.filter((one) => one !== photo);
  }

  clear() {
    for (const photo of [...this.photos]) this.drop(photo);
  }

  tellCount() {
    this.zone.classList.toggle("filled", this.photos.length > 0);
    const key = this.several ? "chooseMore" : "chooseOther";
    say(this.call, this.photos.length ? key : "choose");
    this.changed();
  }
}

/** The word that says why a file is not taken, or "". */
function refusal(file) {
  if (/^image\/hei[cf]/.test(file.type) || /\.hei[cf]$/i.test(file.name)) return "heic";
  return file.type && !file.type.startsWith("image/") ? "notPicture" : "";
}

/** The files of a drop. A folder comes as a file too, of no type. */
function dropped(data) {
  const folders = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory);
  const names = new Set(folders.map(({ name }) => name));
  return [...data.files].map((file) => (names.has(file.name) ? new File([], file.name, { type: "inode/directory" }) : file));
}

/** Read a sample of the page as a file. */
export async function sample(name) {
  const answer = await fetch(`/page/sample-${name}.png`);
  return new File([await answer.blob()], `${name}.png`, { type: "image/png" });
}

function icon() {
  const drawn = find("photo-icon").content.firstElementChild;
  return drawn.cloneNode(true);
}
