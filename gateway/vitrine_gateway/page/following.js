// Tells what happens to jobs until they end: a few by a stream each, the others by asking again and again.
import { call, passes, read, unreachable } from "/page/api.js";

/** A browser has six connections to one address: the others stay free for photos, pictures and Cancel. */
const MOST_STREAMS = 3;
const PAUSE_MS = 1000;
const ENDED = ["succeeded", "failed", "canceled"];
let streams = 0;

/**
 * Tell `show` what happens to the job, as {kind, data}, and return the job that ended. While the gateway is away
 * it waits; what can no longer be followed (a key that was revoked, an erased job) is an error.
 */
export async function follow(jobId, show) {
  const place = { last: "", preview: "" };
  for (;;) {
    try {
      if (streams < MOST_STREAMS) await stream(jobId, place, show);
      const job = await read(`/v1/jobs/${jobId}`);
      if (ENDED.includes(job.status)) return job;
      for (const event of told(job, place)) show(event);
    } catch (error) {
      if (!passes(error)) throw error;
      show({ kind: "away", data: {} });
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Show the job's events after the last one that was shown, until they end or the stream breaks. */
async function stream(jobId, place, show) {
  streams += 1;
  try {
    for await (const event of events(jobId, place.last)) {
      if (event.id) place.last = event.id;
      if (event.kind === "preview") place.preview = event.data.image.file_id;
      show(event);
    }
  } finally {
    streams -= 1;
  }
}

async function* events(jobId, last) {
  const answer = await call(`/v1/jobs/${jobId}/events`, { headers: last ? { "Last-Event-ID": last } : {} });
  if (!answer.body) return; // 204: all was told before
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read().catch(() => { throw unreachable(); });
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = { id: "", kind: "", data: {} };
      for (const line of block.split("\n")) {
        if (line.startsWith("id: ")) event.id = line.slice(4);
        if (line.startsWith("event: ")) event.kind = line.slice(7);
        if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
      }
      if (event.kind) yield event;
    }
  }
}

/** What the state of a job would tell as events; a preview that was shown has a new link each time. */
function told(job, place) {
  const waits = job.status === "queued" && job.queue_position !== null;
  const kind = waits ? "estimate" : job.progress ? "progress" : job.status;
  const shown = job.preview === null || job.preview.image.file_id === place.preview;
  if (!shown) place.preview = job.preview.image.file_id;
  return [{ kind, data: waits ? job : job.progress ?? {} }, ...(shown ? [] : [{ kind: "preview", data: job.preview }])];
}
