// A photo from the camera, in a dialog.
import { find, make } from "/page/dom.js";
import { word } from "/page/language.js";

/** Return a photo as a file, or null if the visitor closes the dialog. */
export async function photograph() {
  const [dialog, view] = [find("camera"), find("camera-view")];
  find("camera-message").textContent = "";
  find("camera-take").disabled = true;
  dialog.returnValue = "";
  dialog.showModal();
  let stream = null;
  const closed = new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  find("camera-close").onclick = () => dialog.close();
  find("camera-take").onclick = () => dialog.close("take");
  try {
    if (!navigator.mediaDevices) throw new Error(word("cameraNeeds"));
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 1280 } } });
    view.srcObject = stream;
    await view.play();
    find("camera-take").disabled = false;
    find("camera-take").focus();
  } catch (error) {
    find("camera-message").textContent = word("cameraFailed", { reason: error.message });
  }
  await closed;
  const taken = dialog.returnValue === "take" && stream ? await still(view) : null;
  for (const track of stream?.getTracks() ?? []) track.stop();
  view.srcObject = null;
  return taken;
}

async function still(view) {
  const canvas = make("canvas", { width: view.videoWidth, height: view.videoHeight });
  canvas.getContext("2d").drawImage(view, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
  return new File([blob], `${word("cameraPhoto")}.jpg`, { type: "image/jpeg" });
}
