// Small texts that the browser keeps. One that keeps nothing, by its settings, has them until the page is left.
const here = new Map();

/** `kind` is "localStorage" or "sessionStorage"; null for what was never kept. */
export function kept(kind, name) {
  try {
    return window[kind].getItem(name);
  } catch {
    return here.get(name) ?? null;
  }
}

export function keep(kind, name, text) {
  try {
    if (text) window[kind].setItem(name, text);
    else window[kind].removeItem(name);
  } catch {
    here.set(name, text);
  }
}
