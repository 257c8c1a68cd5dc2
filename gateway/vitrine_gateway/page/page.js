// The try-on page: one job for each garment, its progress as it comes, a slider to compare, the history.
import { WORDS } from "/page/words.js";

const USER = "page"; // the name of the page's visitor in the account's history
const find = (id) => document.getElementById(id);
let language = navigator.language.startsWith("ko") ? "ko" : "en";
const word = (key) => WORDS[language][key];

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function translate() {
  document.documentElement.lang = language;
  find("language").value = language;
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = word(element.dataset.word);
  }
}

async function call(path, options = {}) {
  const headers = { Authorization: `Bearer ${find("key").value.trim()}`, ...options.headers };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Error(word("unreachable"));
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
    throw new Error(problem.detail);
  }
  return answer;
}

async function* events(path) {
  const reader = (await call(path)).body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = { kind: "", data: {} };
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event.kind = line.slice(7);
        if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
      }
      if (event.kind) yield event;
    }
  }
}

function show(input, place) {
  for (const image of place.children) URL.revokeObjectURL(image.src);
  place.replaceChildren(
    ...[...input.files].map((file) => make("img", { src: URL.createObjectURL(file), alt: `${word("photoOf")}: ${file.name}` })),
  );
}

function acceptDrops(box, input, place) {
  input.addEventListener("change", () => show(input, place));
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    const chosen = new DataTransfer();
    for (const file of [...event.dataTransfer.files].slice(0, input.multiple ? 16 : 1)) chosen.items.add(file);
    input.files = chosen.files;
    show(input, place);
  });
}

function compare(before, after, name) {
  const box = make("div", { className: "compare" },
    make("img", { src: before, alt: word("original") }),
    make("img", { src: after, alt: `${word("result")} ${name}`, className: "after" }));
  const slider = make("input", { type: "range", min: 0, max: 100, value: 0 });
  slider.setAttribute("aria-label", `${word("before")}: ${name}`);
  const move = () => box.style.setProperty("--part", `${slider.value}%`);
  slider.addEventListener("input", move);
  move();
  return [box, slider];
}

function waiting({ queue_position: place, eta_seconds: left }) {
  return `${word("queued")} (${place})${left === null ? "" : `, ${Math.ceil(left)} ${word("secondsLeft")}`}`;
}

async function tryOn(person, garment) {
  const state = make("p", { textContent: word("queued") });
  const bar = make("progress", { max: 100, value: 0 });
  bar.setAttribute("aria-label", garment.name);
  const cancel = make("button", { type: "button", className: "plain", textContent: word("cancel") });
  const preview = make("img", { alt: `${word("preview")} ${garment.name}`, hidden: true });
  const item = make("li", {}, make("p", { textContent: garment.name }), state, preview, bar, cancel);
  find("results").prepend(item);
  try {
    const form = new FormData();
    form.append("person", person);
    form.append("garment", garment);
    form.append("category", find("category").value);
    form.append("user", USER);
    form.append("previews", "true");
    const job = await (await call("/v1/jobs", {
      method: "POST", body: form, headers: { "Idempotency-Key": crypto.randomUUID() },
    })).json();
    cancel.addEventListener("click", () => call(`/v1/jobs/${job.id}/cancel`, { method: "POST" }).catch(tell));
    for await (const event of events(`/v1/jobs/${job.id}/events`)) {
      if (event.kind === "progress") bar.value = event.data.percent;
      else if (event.kind === "preview") {
        preview.src = pathOf(event.data.image.url);
        preview.hidden = false;
      } else if (event.kind === "estimate") state.textContent = waiting(event.data);
      else state.textContent = word(event.kind) ?? event.kind;
    }
    preview.remove();
    const ended = await (await call(`/v1/jobs/${job.id}`)).json();
    bar.remove();
    cancel.remove();
    find("progress").textContent = `${garment.name}: ${word(ended.status)}`;
    if (ended.error) state.textContent = `${word("failed")}: ${ended.error.detail}`;
    if (ended.result) {
      item.prepend(...compare(URL.createObjectURL(person), pathOf(ended.result.image.url), garment.name));
    }
  } catch (error) {
    bar.remove();
    cancel.remove();
    state.textContent = `${word("failed")}: ${error.message}`;
  }
  await showCredits().catch(tell);
}

function pathOf(url) {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

async function showCredits() {
  const { credits } = await (await call("/v1/credits")).json();
  find("credits").textContent = `${credits} ${word("credits")}`;
}

async function showHistory() {
  const { data } = await (await call(`/v1/users/${USER}/history`)).json();
  const items = data.filter((entry) => entry.result.image).map((entry) => {
    const hide = make("button", { type: "button", className: "plain", textContent: word("hide") });
    const time = new Date(entry.created_at).toLocaleString(language);
    const item = make("li", {}, make("img", { src: pathOf(entry.result.image.url), alt: `${word("result")} ${time}` }), make("p", { textContent: time }), hide);
    hide.setAttribute("aria-label", `${word("hide")}: ${time}`);
    hide.addEventListener("click", async () => {
      await call(`/v1/users/${USER}/history/${entry.id}`, {
        method: "PATCH", body: JSON.stringify({ hidden: true }), headers: { "Content-Type": "application/json" },
      }).then(() => item.remove(), tell);
    });
    return item;
  });
  find("history").replaceChildren(...(items.length ? items : [make("li", { textContent: word("nothing") })]));
}

function tell(error) {
  find("message").textContent = error.message;
}

find("language").addEventListener("change", (event) => { language = event.target.value; translate(); });
find("key").value = sessionStorage.getItem("key") ?? "";
find("key").addEventListener("change", () => sessionStorage.setItem("key", find("key").value));
find("load-history").addEventListener("click", () => showHistory().catch(tell));
acceptDrops(find("person-drop"), find("person"), find("person-shown"));
acceptDrops(find("garment-drop"), find("garment"), find("garment-shown"));
find("try-on").addEventListener("submit", async (event) => {
  event.preventDefault();
  find("message").textContent = "";
  const [person] = find("person").files;
  await Promise.all([...find("garment").files].map((garment) => tryOn(person, garment)));
});
translate();
