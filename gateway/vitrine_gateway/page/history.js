// The view of finished pictures, the newest first.
import { call, pathOf, read, USER } from "/page/api.js";
import { button, find, make, tell } from "/page/dom.js";
import { label, language, say, word } from "/page/language.js";
import { view } from "/page/viewer.js";

const SHOWN = ["try_on", "product_ad", "text_to_image", "image_to_image", "cut_out"];
let next = null;
let asked = 0; // the newest question: what answers an older one is not shown

export function startHistory() {
  find("history-more").addEventListener("click", () => showHistory(next));
}

export async function showHistory(cursor = null) {
  tell("history-message");
  asked += 1;
  const mine = asked;
  find("history").setAttribute("aria-busy", "true");
  try {
    const page = await read(`/v1/users/${USER}/history?limit=24${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    if (mine !== asked) return;
    const items = page.data.filter((one) => one.result.image && SHOWN.includes(one.pipeline)).map(entry);
    if (cursor) find("history").append(...items);
    else find("history").replaceChildren(...(items.length ? items : [nothing()]));
    next = page.next_cursor;
    find("history-more").hidden = !next;
    if (page.unseen) await call(`/v1/users/${USER}/history/seen`, { method: "POST" });
  } catch (error) {
    tell("history-message", error);
  }
  find("history").setAttribute("aria-busy", "false");
}

function nothing() {
  return say(make("li", { className: "none" }), "historyEmpty");
}

function entry({ id, pipeline, created_at: at, seen, result }) {
  const url = pathOf(result.image.url);
  const time = new Date(at).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  const name = `${word(`pipe_${pipeline}`)}, ${time}`;
  const open = label(make("button", { type: "button", className: "opened" }, make("img", { src: url, alt: "", loading: "lazy" })), "openOf", { name });
  open.addEventListener("click", () => view(id, url, name));
  const hide = label(button("plain", "hide", async () => {
    try {
      await call(`/v1/users/${USER}/history/${id}`, { method: "PATCH", body: { hidden: true } });
      const beside = item.nextElementSibling ?? item.previousElementSibling;
      item.remove();
      (beside?.querySelector("button") ?? find("history-title")).focus();
      if (!beside && next) await showHistory();
      else if (!beside) find("history").append(nothing());
    } catch (error) {
      tell("history-message", error);
    }
  }), "hideOf", { name });
  const item = make("li", { className: seen ? "" : "unseen" }, open,
    make("div", { className: "foot" }, make("div", {}, say(make("p", { className: "strong" }), `pipe_${pipeline}`), make("p", { className: "hint" }, time)), hide));
  return item;
}
