/** The list of messages by keyboard. */

/** Up and down go from message to message, once the focus is in the list. @param {KeyboardEvent} event */
export function moveBetweenMessages(event) {
  if (event.code !== "ArrowUp" && event.code !== "ArrowDown") return;
  const log = /** @type {HTMLElement} */ (event.currentTarget);
  const current = document.activeElement?.closest(".message") ?? null;
  const all = [...log.querySelectorAll(".message")];
  const index = current ? all.indexOf(current) + (event.code === "ArrowUp" ? -1 : 1) : lastVisible(all, log);
  const next = all[index];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}

/** @param {Element[]} all @param {HTMLElement} log */
function lastVisible(all, log) {
  const bottom = log.getBoundingClientRect().bottom;
  return all.findLastIndex((message) => message.getBoundingClientRect().top < bottom);
}
