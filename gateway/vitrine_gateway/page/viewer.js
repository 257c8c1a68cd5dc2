// One picture, large, in a dialog.
import { find } from "/page/dom.js";

export function view(url, name) {
  find("viewer-title").textContent = name;
  find("viewer-picture").src = url;
  find("viewer-picture").alt = name;
  find("viewer-download").href = url;
  find("viewer-download").download = "picture.png";
  find("viewer-close").onclick = () => find("viewer").close();
  find("viewer").showModal();
}
