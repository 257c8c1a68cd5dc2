// Calls of the gateway with the key of this tab.
import { keep, kept } from "/page/kept.js";
import { word } from "/page/language.js";

/** The name of the page's visitor in the account's history. */
export const USER = "page";
const KEPT = "key";
let prices = {};

export const key = () => kept("sessionStorage", KEPT) ?? "";
export const setKey = (text) => keep("sessionStorage", KEPT, text);
export const priceOf = (pipeline) => prices[pipeline]?.[0].credits ?? 0;

/** The error of a call that got no answer, or not all of it. */
export function unreachable() {
  return Object.assign(new Error(word("unreachable")), { status: 0 });
}

/** Return the answer; an Error with words for the visitor, and its `status`, if it is none. */
export async function call(path, { body, headers, ...options } = {}) {
  const json = body !== undefined && !(body instanceof FormData);
  let answer;
  try {
    answer = await fetch(path, {
      ...options,
      body: json ? JSON.stringify(body) : body,
      headers: { Authorization: `Bearer ${key()}`, ...(json && { "Content-Type": "application/json" }), ...headers },
    });
  } catch {
    throw unreachable();
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail || answer.statusText), { status: answer.status });
}

export async function read(path, options) {
  const answer = await call(path, options);
  return answer.json().catch(() => { throw unreachable(); });
}

/** Whether an error of `call` is one that may pass: no answer came, or the gateway or its server is away. */
export function passes({ status }) {
  return status === 0 || status === 429 || status >= 500;
}

/**
 * A job that is wanted once. `inputs` is a form's data, or an object for JSON. Until the gateway has answered it is
 * sent under one Idempotency-Key, however often: what it has queued already is then found and not paid again.
 */
export class Order {
  constructor(pipeline, inputs) {
    this.body = { pipeline, user: USER, inputs };
    if (inputs instanceof FormData) {
      this.body = inputs;
      this.body.append("pipeline", pipeline);
      this.body.append("user", USER);
    }
    this.key = "";
  }

  /** Queue the job and return it. */
  async send() {
    this.key ||= newKey();
    try {
      const job = await read("/v1/jobs", { method: "POST", body: this.body, headers: { "Idempotency-Key": this.key } });
      this.key = "";
      return job;
    } catch (error) {
      if (!passes(error)) this.key = "";
      throw error;
    }
  }
}

/** Chance as hexadecimal digits; crypto.randomUUID is missing where the page comes by plain http. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Keep a picture and return its id, by which jobs name it. */
export async function upload(file) {
  const body = new FormData();
  body.append("file", file);
  body.append("user", USER);
  return (await read("/v1/files", { method: "POST", body })).id;
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
