// The view of the account: balance, prices, movements, forgetting the key, erasure.
import { call, read, readCredits, USER } from "/page/api.js";
import { announce, find, make, tell } from "/page/dom.js";
import { language, say } from "/page/language.js";

const PRICED = ["try_on", "product_ad", "text_to_image", "cut_out"];
let next = null;
let asked = 0; // the newest question: what answers an older one is not shown

export function startAccount() {
  find("ledger-more").addEventListener("click", () => showLedger(next));
  find("erase").addEventListener("click", () => find("confirm").showModal());
  find("confirm-no").addEventListener("click", () => find("confirm").close());
  find("confirm-yes").addEventListener("click", erase);
}

export async function showAccount() {
  tell("account-message");
  find("account-done").textContent = "";
  try {
    const { credits, prices } = await readCredits();
    find("balance").textContent = credits.toLocaleString(language);
    showPrices(prices);
    await showLedger();
  } catch (error) {
    tell("account-message", error);
  }
}

function showPrices(prices) {
  const rows = PRICED.filter((name) => prices[name]).map((name) =>
    make("tr", {}, say(make("th", { scope: "row" }), `pipe_${name}`), make("td", {}, String(prices[name][0].credits))));
  find("prices").replaceChildren(head("what", "credits"), make("tbody", {}, ...rows));
}

async function showLedger(cursor = null) {
  asked += 1;
  const mine = asked;
  try {
    const page = await read(`/v1/credits/ledger?limit=12${cursor ? `&cursor=${cursor}` : ""}`);
    if (mine !== asked) return;
    if (!cursor) find("ledger").replaceChildren(head("when", "what", "credits"), make("tbody"));
    const rows = page.data.filter((row) => row.amount).map(({ at, kind, amount }) => {
      const time = new Date(at).toLocaleString(language, { dateStyle: "short", timeStyle: "short" });
      const sum = `${amount > 0 ? "+" : ""}${amount}`.replace("-", "−");
      return make("tr", {}, make("td", {}, time), say(make("td"), `kind_${kind}`), make("td", { className: amount > 0 ? "plus" : "" }, sum));
    });
    const none = make("tr", {}, say(make("td", { colSpan: 3 }), "noMovements"));
    find("ledger").tBodies[0].append(...(rows.length || cursor ? rows : [none]));
    next = page.next_cursor;
    find("ledger-more").hidden = !next;
  } catch (error) {
    tell("account-message", error);
  }
}

function head(...keys) {
  return make("thead", {}, make("tr", {}, ...keys.map((key) => say(make("th", { scope: "col" }), key))));
}

async function erase() {
  find("confirm").close();
  try {
    await call(`/v1/people/${USER}`, { method: "DELETE" });
    document.dispatchEvent(new Event("erased"));
    await showAccount(); // what unfinished jobs cost is given back
    announce("erased");
    say(find("account-done"), "erased").scrollIntoView({ block: "nearest" });
  } catch (error) {
    tell("account-message", error);
  }
}
