// An application's side of the queue, with Node's own package. Reads one line of JSON from stdin:
// {port, queue, jobs: [{data, opts}]}; adds the jobs, waits for their ends, prints one line of JSON.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.env.BULLMQ_FOLDER + "/");
const { Queue, QueueEvents } = require("bullmq");
const { port, queue: name, jobs, wait_ms } = JSON.parse(readFileSync(0, "utf8"));
const connection = { host: "127.0.0.1", port };
const queue = new Queue(name, { connection });
const events = new QueueEvents(name, { connection });
await events.waitUntilReady();
const progress = {};
events.on("progress", ({ jobId, data }) => (progress[jobId] ??= []).push(data));
const added = await Promise.all(jobs.map(({ data, opts }) => queue.add("try-on", data, opts)));
const ends = await Promise.all(
  added.map((job) => job.waitUntilFinished(events, wait_ms).then((result) => ({ result }), (error) => ({ error: error.message }))),
);
const states = await Promise.all(
  added.map(async (job) => {
    const now = await queue.getJob(job.id);
    return { state: await now.getState(), attempts: now.attemptsMade, progress: progress[job.id] ?? [] };
  }),
);
console.log(JSON.stringify(ends.map((end, at) => ({ ...end, ...states[at] }))));
await queue.close();
await events.close();
