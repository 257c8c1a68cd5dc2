// One picture, large, in a dialog.
import { pathOf, read } from "/page/api.js";
import { find } from "/page/dom.js";
import { save } from "/page/saving.js";

/** Show a job's picture; `url` is a link to it that may have run out since. */
export function view(jobId, url, name) {
  const [shown, link] = [find("viewer-picture"), find("viewer-download")];
  find("viewer-title").textContent = name;
  Object.assign(shown, { src: url, alt: name });
  shown.onerror = () => { shown.onerror = null; renew(jobId, shown); };
  Object.assign(link, { href: url, download: "picture.png" });
  link.onclick = (event) => { event.preventDefault(); save(jobId, link); };
  find("viewer-close").onclick = () => find("viewer").close();
  find("viewer").showModal();
}

async function renew(jobId, shown) {
  const job = await read(`/v1/jobs/${jobId}`).catch(() => null); // Download says why
  if (job?.result) shown.src = pathOf(job.result.image.url);
}
