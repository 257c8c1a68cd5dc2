// The view for advertisements: a product and a sentence, four proposals, one chosen, placed and finished.
import { Order, priceOf, readCredits } from "/page/api.js";
import { finished } from "/page/ad_finished.js";
import { cutOut } from "/page/cut_out.js";
import { bring, find, make, picture } from "/page/dom.js";
import { failure, JobBox } from "/page/job.js";
import { language, say, word } from "/page/language.js";
import { PhotoField, sample } from "/page/photos.js";
import { place } from "/page/place.js";
import { PROPOSALS, propose } from "/page/proposals.js";
import { TRADES } from "/page/trades.js";

const STEPS = { describe: 0, choose: 1, place: 2, done: 3 };
let field;
let turn = 0; // grows with each ad that is begun: what comes of one that was given up is not shown

export function startAd() {
  field = new PhotoField(find("product-field"), { id: "product", title: "product", hint: "productHint" });
  find("ad").addEventListener("submit", (event) => { event.preventDefault(); begin(); });
  find("ad-sample").addEventListener("click", addSample);
  document.addEventListener("credits", showPrice);
  document.addEventListener("language", showTrades);
  document.addEventListener("erased", () => { turn += 1; show("describe"); find("ad-empty").hidden = false; });
  showTrades();
  showPrice();
}

function showTrades() {
  const chosen = find("trade").value;
  const rows = TRADES.map(([name, en, ko]) => make("option", { value: name }, language === "ko" ? ko : en));
  find("trade").replaceChildren(say(make("option", { value: "" }), "tradeFree"), ...rows);
  find("trade").value = chosen;
}

function showPrice() {
  const n = priceOf("cut_out") + PROPOSALS * priceOf("product_ad");
  say(find("ad-go"), priceOf("product_ad") ? "adCost" : "adGo", { n });
}

async function addSample() {
  field.add([await sample("product")]);
  find("sentence").value = word("sampleSentence");
  find("text").value = word("sampleText");
  find("ad-go").focus();
}

/** Show a step's contents, and say which step it is. */
function show(step, ...contents) {
  find("ad-empty").hidden = true;
  [...find("ad-steps").children].forEach((item, index) => {
    item.classList.toggle("past", index < STEPS[step]);
    if (index === STEPS[step]) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
  find("ad-stage").replaceChildren(...contents);
}

/** Show a step of an ad whose heading gets the focus: the control that led here is gone. */
function showStep(ad, step, ...contents) {
  if (ad.turn !== turn) return;
  show(step, ...contents);
  const heading = find("ad-stage").querySelector("h2");
  if (heading) heading.tabIndex = -1;
  heading?.focus({ preventScroll: true });
  bring(find("ad-bench"));
}

function wanted() {
  const value = (id) => find(id).value.trim();
  const given = { sentence: value("sentence"), text: value("text"), trade: value("trade"), aspect_ratio: value("ratio") };
  const options = Object.fromEntries(Object.entries(given).filter(([, text]) => text));
  return { ...options, enlarge: Number(value("enlarge")) };
}

async function begin() {
  const missing = !field.photos.length ? "needProduct" : !find("sentence").value.trim() ? "needSentence" : "";
  find("ad-message").textContent = missing && word(missing);
  if (missing) {
    (field.photos.length ? find("sentence") : field.input).focus();
    return;
  }
  find("ad-go").disabled = true;
  turn += 1;
  const mine = turn;
  const cutting = new JobBox("cuttingOut");
  cutting.box.classList.add("alone");
  show("choose", say(make("h2"), "cuttingOut"), cutting.box);
  bring(find("ad-bench"));
  const options = wanted();
  try {
    const product = await cutOut(field.photos[0].file, cutting);
    if (mine !== turn) return;
    if (product) choose({ turn, product, options });
    else show("describe");
  } catch (error) {
    if (mine === turn) show("describe", failure(error, begin));
  } finally {
    find("ad-go").disabled = false;
  }
}

/** Let the visitor choose among four ads, which are made now. */
function choose(ad) {
  const box = propose(ad, {
    place: (proposal) => openScene(ad, proposal, box),
    take: (proposal) => showStep(ad, "done", ...finished(ad, proposal, { again: () => openScene(ad, proposal, box), back: () => showStep(ad, "choose", ...box) })),
  });
  const cut = make("figure", { className: "cut" }, picture(ad.product.url, "cutOut"), say(make("figcaption"), "cutOutReady"));
  box.splice(1, 0, cut);
  showStep(ad, "choose", ...box);
}

/** Draw the chosen scene without the product, then let the visitor place the product in it. */
async function openScene(ad, proposal, box) {
  const back = () => showStep(ad, "choose", ...box);
  if (!proposal.scene) {
    const drawing = new JobBox("drawingScene");
    drawing.box.classList.add("alone");
    showStep(ad, "place", say(make("h2"), "drawingScene"), drawing.box);
    const { result } = proposal.job;
    const inputs = { prompt: result.prompt, seed: result.seed, aspect_ratio: ad.options.aspect_ratio };
    proposal.sceneOrder ??= new Order("text_to_image", inputs);
    try {
      const job = await drawing.run(proposal.sceneOrder);
      if (job.status === "canceled") return back();
      proposal.scene = job.result;
    } catch (error) {
      return showStep(ad, "place", failure(error, () => openScene(ad, proposal, box)));
    }
  }
  return showStep(ad, "place", ...place(ad, proposal, { back, finish: (placement) => finish(ad, proposal, placement, box) }));
}

/** Make the ad with the product where the visitor put it. */
async function finish(ad, proposal, placement, box, order = finalOrder(ad, proposal, placement)) {
  const making = new JobBox("final");
  making.box.classList.add("alone");
  showStep(ad, "done", say(make("h2"), "running"), making.box);
  proposal.placement = placement;
  const again = () => openScene(ad, proposal, box);
  try {
    const job = await making.run(order);
    if (job.status === "canceled") return again();
    const back = () => showStep(ad, "choose", ...box);
    return showStep(ad, "done", ...finished(ad, { ...proposal, job }, { again, back }));
  } catch (error) {
    return showStep(ad, "done", failure(error, () => finish(ad, proposal, placement, box, order)));
  } finally {
    readCredits().catch(() => {}); // shown again by the next call
  }
}

function finalOrder(ad, proposal, placement) {
  const inputs = { ...ad.options, sentence: proposal.sentence, product: { file_id: ad.product.id }, seed: proposal.job.result.seed, placements: [placement], previews: true };
  return new Order("product_ad", inputs);
}
