// Calls of the gateway with the key of this tab.
import { word } from "/page/language.js";

/** The name of the page's visitor in the account's history. */
export const USER = "page";
const KEPT = "key";
let prices = {};

export const key = () => sessionStorage.getItem(KEPT) ?? "";
export const setKey = (text) => (text ? sessionStorage.setItem(KEPT, text) : sessionStorage.removeItem(KEPT));
export const priceOf = (pipeline) => prices[pipeline]?.[0].credits ?? 0;

/** Return the answer; an Error with words for the visitor, and `status`, if it is none. */
export async function call(path, { body, headers, ...options } = {}) {
  const json = body !== undefined && !(body instanceof FormData);
  let answer;
  try {
    answer = await fetch(path, {
      ...options,
      body: json ? JSON.stringify(body) : body,
      headers: { Authorization: `Bearer ${key()}`, ...(json && { "Content-Type": "application/json" }), ...headers },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(word("unreachable"));
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail || answer.statusText), { status: answer.status });
}

export async function read(path, options) {
  return (await call(path, options)).json();
}

/** Queue a job and return it. `inputs` is a form's data, or an object for JSON. */
export function submit(pipeline, inputs) {
  let body = { pipeline, user: USER, inputs };
  if (inputs instanceof FormData) {
    body = inputs;
    body.append("pipeline", pipeline);
    body.append("user", USER);
  }
  return read("/v1/jobs", { method: "POST", body, headers: { "Idempotency-Key": crypto.randomUUID() } });
}

/** Keep a picture and return its id, by which jobs name it. */
export async function upload(file) {
  const body = new FormData();
  body.append("file", file);
  body.append("user", USER);
  return (await read("/v1/files", { method: "POST", body })).id;
}

/** Yield the job's events until it ends. */
export async function* events(jobId) {
  const answer = await call(`/v1/jobs/${jobId}/events`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
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

/** The path of a signed link: the gateway's own name may differ behind a proxy. */
export function pathOf(url) {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** Read balance and prices, tell them to the page, and return them. */
export async function readCredits() {
  const told = await read("/v1/credits");
  prices = told.prices;
  document.dispatchEvent(new CustomEvent("credits", { detail: told }));
  return told;
}
