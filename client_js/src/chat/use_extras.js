/** Has the rest of the page loaded, once there is time for it or somebody asks. */

import { signal } from "@preact/signals";

/** @typedef {typeof import('./extras.jsx')} Extras */

/** Undefined until they are here. @type {import('@preact/signals').Signal<Extras | undefined>} */
export const extras = signal(undefined);

/** @type {Promise<void> | undefined} */
let loading;

/** Load them; again if they could not be had. Rejects without a connection. */
export function loadExtras() {
  loading ??= Promise.all([import("./extras.jsx"), addStyle("sign-in-style"), addStyle("later-style")]).then(
    ([loaded]) => {
      extras.value = loaded;
    },
    () => {
      loading = undefined;
      throw { name: "network" };
    },
  );
  return loading;
}

/**
 * Without it they would be drawn bare.
 * @param {'sign-in-style' | 'later-style' | 'last-style'} name   As the page's head has it.
 * @returns {Promise<void>}
 */
export function addStyle(name) {
  const address = document.querySelector(`meta[name=${name}]`)?.getAttribute("content");
  return new Promise((resolve, reject) => {
    if (document.querySelector(`link[href="${address}"]`)) return resolve();
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = address ?? "";
    link.onload = () => resolve();
    link.onerror = () => {
      link.remove();
      reject(new Error("no style sheet"));
    };
    document.head.append(link);
  });
}

/** Load them when the browser has nothing better to do. */
export function loadExtrasLater() {
  const load = () => loadExtras().catch(() => {});
  if ("requestIdleCallback" in globalThis) requestIdleCallback(load, { timeout: 500 });
  else setTimeout(load, 200);
}
