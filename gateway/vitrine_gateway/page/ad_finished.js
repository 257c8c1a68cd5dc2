// A finished ad: the picture, and what can be done with it.
import { pathOf } from "/page/api.js";
import { button, make, picture } from "/page/dom.js";
import { say } from "/page/language.js";
import { saving } from "/page/saving.js";

/** Return the elements that show the ad of a proposal's job. */
export function finished(ad, { job }, { again, back }) {
  const url = pathOf(job.result.image.url);
  const save = saving(job, "ad", "main");
  return [
    say(make("h2"), "finalTitle"),
    make("div", { className: "final" }, picture(url, "final")),
    make("p", { className: "hint" }, `${job.result.width} × ${job.result.height} px`),
    make("div", { className: "actions" }, save, button("second", "moveAgain", again), button("plain", "back", back)),
  ];
}
