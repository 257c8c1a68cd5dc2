// Four ads of one product and sentence, each with a scene and a seed of its own, of which the visitor chooses one.
import { Order, pathOf, priceOf } from "/page/api.js";
import { button, make, picture } from "/page/dom.js";
import { failure, JobBox, stopped } from "/page/job.js";
import { say } from "/page/language.js";

export const PROPOSALS = 4;
const SEEDS = 2 ** 31;
/** What each proposal adds to the sentence. The server takes the first word for each thing: the visitor's wins. */
const SCENES = {
  en: ["", "marble table, evening light from the right", "wooden table, cream wall, morning light from the right", "marble table, sky blue wall"],
  ko: ["", "대리석 테이블, 저녁 햇살이 오른쪽에서", "나무 테이블, 크림색 벽, 아침 햇살이 오른쪽에서", "대리석 테이블, 하늘색 벽"],
};

/** Return the elements; `acts.place` and `acts.take` get the chosen proposal, whose `job` has ended. */
export function propose(ad, acts) {
  const first = Math.floor(Math.random() * SEEDS);
  const proposals = Array.from({ length: PROPOSALS }, (_, index) => ({
    number: index + 1, seed: first + index, sentence: varied(ad.options.sentence, index),
  }));
  const chosen = () => proposals.find((one) => one.radio?.checked);
  const price = priceOf("text_to_image");
  const buttons = [button("main", "placeIt", () => acts.place(chosen()), { n: price }), button("second", "takeIt", () => acts.take(chosen()))];
  const update = () => buttons.forEach((one) => { one.disabled = !chosen(); });
  const cards = proposals.map((one) => {
    one.item = make("div", { className: "proposal" });
    run(ad, one, update);
    return one.item;
  });
  update();
  const group = make("fieldset", { className: "proposals" }, say(make("legend", { className: "quiet" }), "chooseOne"), ...cards);
  return [say(make("h2"), "chooseOne"), group, make("div", { className: "actions" }, ...buttons)];
}

function varied(sentence, index) {
  const scenes = /[가-힣]/.test(sentence) ? SCENES.ko : SCENES.en;
  return [sentence, scenes[index]].filter(Boolean).join(", ");
}

async function run(ad, proposal, update) {
  const { item, number: n } = proposal;
  const again = () => run(ad, proposal, update);
  const shown = new JobBox("proposal", { n });
  item.replaceChildren(shown.box);
  const inputs = { ...ad.options, sentence: proposal.sentence, product: { file_id: ad.product.id }, seed: proposal.seed, previews: true };
  proposal.order ??= new Order("product_ad", inputs);
  try {
    proposal.job = await shown.run(proposal.order);
    if (proposal.job.status === "canceled") item.replaceChildren(stopped(again));
    else item.replaceChildren(choice(proposal, update));
  } catch (error) {
    item.replaceChildren(failure(error, again));
  }
}

function choice(proposal, update) {
  const n = proposal.number;
  proposal.radio = make("input", { type: "radio", name: "proposal", className: "quiet" });
  proposal.radio.addEventListener("change", update);
  const shown = picture(pathOf(proposal.job.result.image.url), "proposal", { n });
  return make("label", { className: "choice" }, proposal.radio, shown);
}
