// Starts the page: the key, the language, and which view is shown.
import { showAccount, startAccount } from "/page/account.js";
import { startAd } from "/page/ad.js";
import { key, readCredits, setKey } from "/page/api.js";
import { find, tell } from "/page/dom.js";
import { showHistory, startHistory } from "/page/history.js";
import { say, setLanguage, translate, word, language } from "/page/language.js";
import { startTryOn } from "/page/try_on.js";

const VIEWS = { "try-on": () => {}, ad: () => {}, history: () => showHistory(), account: showAccount };
let shown = "";

/** Show the view that the address names; without a key, the one that asks for it. */
function show() {
  const named = location.hash.slice(1);
  const view = key() ? (Object.hasOwn(VIEWS, named) ? named : "try-on") : "sign-in";
  const first = shown === "";
  shown = view;
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== `view-${view}`;
  for (const id of ["tabs", "credits"]) find(id).hidden = !key();
  for (const link of find("tabs").children) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  showTitle();
  VIEWS[view]?.();
  if (!first) find(`${view}-title`).focus({ preventScroll: true });
  scrollTo(0, 0);
}

function showTitle() {
  document.title = `${find(`${shown}-title`).textContent} · Vitrine`;
}

async function signIn(event) {
  event.preventDefault();
  const text = find("key").value.trim();
  tell("sign-in-message", text ? null : new Error(word("keyMissing")));
  if (!text) return find("key").focus();
  if (!/^[!-~]+$/.test(text)) { // what no header takes
    tell("sign-in-message", new Error(word("keyOdd")));
    return find("key").focus();
  }
  setKey(text);
  try {
    await readCredits();
    find("key").value = "";
    show();
  } catch (error) {
    setKey("");
    tell("sign-in-message", error);
    find("key").focus();
  }
}

function signOut(message = null) {
  setKey("");
  show();
  tell("sign-in-message", message);
}

find("language").value = language;
find("language").addEventListener("change", (event) => {
  setLanguage(event.target.value);
  showTitle();
  VIEWS[shown]?.();
});
find("skip").addEventListener("click", (event) => { event.preventDefault(); find("main").focus(); }); // the address stays
find("sign-in").addEventListener("submit", signIn);
find("sign-out").addEventListener("click", () => { signOut(); location.reload(); }); // nothing of this visitor stays
document.addEventListener("credits", ({ detail }) => say(find("credits"), "creditsLeft", { n: detail.credits }));
addEventListener("hashchange", show);
startTryOn();
startAd();
startHistory();
startAccount();
translate();
show();
if (key()) readCredits().catch((error) => { if (error.status === 401) signOut(error); });
