// One job from its submission to its end, shown by a bar, a line of text and previews.
import { call, events, pathOf, read, readCredits } from "/page/api.js";
import { announce, button, make, picture } from "/page/dom.js";
import { label, say, word } from "/page/language.js";

/** A box that shows a job. `box` goes into the page; `run` returns the job that ended, or throws. */
export class JobBox {
  constructor(key, values) {
    [this.key, this.values] = [key, values];
    this.state = say(make("p", { className: "state" }), "queued");
    this.bar = label(make("progress", { max: 100, value: 0 }), key, values);
    this.cancel = button("plain", "cancel", () => this.stop());
    this.preview = make("div", { className: "shade" });
    this.box = make("div", { className: "job" }, this.preview,
      make("div", { className: "foot" }, this.state, this.bar, this.cancel));
  }

  async run(submitting) {
    const name = word(this.key, this.values);
    try {
      this.job = await submitting;
      for await (const event of events(this.job.id)) this.show(event);
      const ended = await read(`/v1/jobs/${this.job.id}`);
      announce("tellState", { name, state: word(ended.status) });
      if (ended.error) throw new Error(ended.error.detail);
      return ended;
    } catch (error) {
      announce("tellState", { name, state: `${word("failed")}. ${error.message}` });
      throw error;
    } finally {
      this.bar.remove();
      this.cancel.remove();
      readCredits().catch(() => {}); // the balance is shown again by the next call
    }
  }

  show({ kind, data }) {
    if (kind === "progress") {
      this.bar.value = data.percent;
      say(this.state, "runningAt", { percent: Math.round(data.percent) });
    } else if (kind === "preview") {
      const shown = this.preview.querySelector("img");
      if (shown) shown.src = pathOf(data.image.url);
      else this.preview.append(picture(pathOf(data.image.url), "preview", { name: word(this.key, this.values) }));
    } else if (kind === "estimate") {
      const left = data.eta_seconds === null ? {} : { left: Math.ceil(data.eta_seconds) };
      say(this.state, "left" in left ? "queuedFor" : "queuedAt", { place: data.queue_position, ...left });
    } else say(this.state, kind);
  }

  stop() {
    if (this.job) call(`/v1/jobs/${this.job.id}/cancel`, { method: "POST" }).catch(() => {}); // it has ended
  }
}

/** Take the place of a job's box: what went wrong, and a button that tries again. */
export function failure(error, again) {
  return make("div", { className: "failed" }, say(make("p", { className: "strong" }), "failed"),
    make("p", {}, error.message), button("second", "again", again));
}

/** Take the place of the box of a job that was canceled. */
export function stopped(again) {
  return make("div", { className: "failed" }, say(make("p", { className: "strong" }), "canceled"),
    button("second", "again", again));
}
