// The product without its ground: cut out by a job unless the picture is transparent already.
import { Order, pathOf, upload } from "/page/api.js";
import { make } from "/page/dom.js";
import { word } from "/page/language.js";

/** The least alpha of a pixel that counts as part of the object; the server's own. */
const SEEN = 8;
const CLEAR = 250;
const orders = new WeakMap(); // by file: trying again sends the same one

/** Return {id, url, aspect}: the file for jobs, and the product cropped to its object, width to height. */
export async function cutOut(file, shown) {
  if (await isCut(file)) return { id: await upload(file), ...(await cropped(file)) };
  if (!orders.has(file)) {
    const form = new FormData();
    form.append("image", file);
    orders.set(file, new Order("cut_out", form));
  }
  const job = await shown.run(orders.get(file));
  if (job.status === "canceled") return null;
  const answer = await fetch(pathOf(job.result.image.url));
  return { id: job.result.image.file_id, ...(await cropped(await answer.blob())) };
}

async function isCut(file) {
  if (file.type !== "image/png" && file.type !== "image/webp") return false;
  return (await levels(file)).alpha.some((value) => value < CLEAR);
}

async function cropped(blob) {
  const { canvas, alpha } = await levels(blob);
  let [left, top, right, bottom] = [canvas.width, canvas.height, 0, 0];
  for (let index = 0; index < alpha.length; index += 1) {
    if (alpha[index] < SEEN) continue;
    const [x, y] = [index % canvas.width, Math.floor(index / canvas.width)];
    [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
  }
  if (right <= left) [left, top, right, bottom] = [0, 0, canvas.width, canvas.height];
  const part = make("canvas", { width: right - left, height: bottom - top });
  part.getContext("2d").drawImage(canvas, -left, -top);
  const object = await new Promise((resolve) => part.toBlob(resolve, "image/png"));
  return { url: URL.createObjectURL(object), aspect: part.width / part.height };
}

async function levels(blob) {
  const bitmap = await createImageBitmap(blob).catch(() => { throw new Error(word("unreadable")); });
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { canvas, alpha: Uint8Array.from({ length: data.length / 4 }, (_, index) => data[4 * index + 3]) };
}
