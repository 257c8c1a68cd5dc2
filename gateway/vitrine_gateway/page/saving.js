// Links that save a job's picture. A signed link is valid for a time only, so each click asks for a new one.
import { pathOf, read } from "/page/api.js";
import { make } from "/page/dom.js";
import { say, word } from "/page/language.js";

export function saving(job, name, className = "second") {
  const link = say(make("a", { className, href: pathOf(job.result.image.url), download: fileName(name) }), "download");
  link.addEventListener("click", (event) => {
    event.preventDefault();
    save(job.id, link);
  });
  return link;
}

/** Save what `link` names, by a new address. */
export async function save(jobId, link) {
  try {
    const job = await read(`/v1/jobs/${jobId}`);
    const address = pathOf(job.result.image.url);
    link.href = address;
    make("a", { href: address, download: link.download }).click();
  } catch (error) {
    if (link.nextElementSibling?.className === "error") link.nextElementSibling.remove();
    const told = make("p", { className: "error" }, word("notSaved", { reason: error.message }));
    told.setAttribute("role", "alert");
    link.after(told);
  }
}

function fileName(name) {
  return `${name.replace(/\.\w+$/, "")}.png`;
}
