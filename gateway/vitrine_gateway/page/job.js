// One job from its submission to its end, shown by a bar, a line of text and previews.
import { call, passes, pathOf, readCredits } from "/page/api.js";
import { announce, button, make, picture } from "/page/dom.js";
import { follow } from "/page/following.js";
import { label, say, word } from "/page/language.js";

/** A box that shows a job. `box` goes into the page; `run` returns the job that ended, or throws; `answered` is kept when its order was answered. */
export class JobBox {
  constructor(key, values) {
    [this.key, this.values] = [key, values];
    this.state = say(make("p", { className: "state" }), "queued");
    this.bar = label(make("progress", { max: 100, value: 0 }), key, values);
    this.cancel = button("plain", "cancel", () => this.stop());
    this.preview = make("div", { className: "shade" });
    this.box = make("div", { className: "job" }, this.preview,
      make("div", { className: "foot" }, this.state, this.bar, this.cancel));
    this.answered = new Promise((resolve) => { this.answer = resolve; });
  }

  async run(order) {
    const name = word(this.key, this.values);
    try {
      this.job = await order.send().finally(this.answer);
      if (this.stopping) this.stop(); // Cancel was pressed while the photos were being sent
      const ended = await follow(this.job.id, (event) => this.show(event));
      announce("tellState", { name, state: word(ended.status) });
      if (ended.error) throw new Error(ended.error.detail);
      return ended;
    } catch (error) {
      if (this.stopping && !this.job) return { status: "canceled" };
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
      this.tell("runningAt", { percent: Math.round(data.percent) });
    } else if (kind === "preview") {
      const shown = this.preview.querySelector("img");
      if (shown) shown.src = pathOf(data.image.url);
      else this.preview.append(picture(pathOf(data.image.url), "preview", { name: word(this.key, this.values) }));
    } else if (kind === "estimate") {
      const left = data.eta_seconds === null ? {} : { left: Math.ceil(data.eta_seconds) };
      this.tell("left" in left ? "queuedFor" : "queuedAt", { place: data.queue_position, ...left });
    } else this.tell(kind);
  }

  tell(key, values) {
    if (!this.stopping) say(this.state, key, values);
  }

  /** Cancel the job, or as soon as it is one. */
  async stop() {
    this.stopping = true;
    say(this.state, "canceling");
    if (!this.job) return;
    try {
      await call(`/v1/jobs/${this.job.id}/cancel`, { method: "POST" });
    } catch (error) {
      this.stopping = false; // it has ended, or nobody was told
      if (passes(error)) this.tell("away");
    }
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
