/** Goes to the first message of a day. */

import { useSignal } from "@preact/signals";

import { dayKey } from "../shared/clocks.js";
import { t } from "../shared/i18n.js";
import { Sheet } from "./sheet.jsx";

/** @typedef {import('./desk.js').Desk} Desk */

/** @param {{ desk: Desk }} props */
export function DateSheet({ desk }) {
  const isSearching = useSignal(false);
  const channel = desk.selected.value;

  /** @param {SubmitEvent} event */
  const submit = async (event) => {
    event.preventDefault();
    const day = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get("day");
    isSearching.value = true;
    await desk.live.attempt(goTo(desk, channel, String(day)));
    isSearching.value = false;
    desk.sheet.value = "";
  };

  return (
    <Sheet desk={desk} title={t("date")} name="date">
      <form class="date-form" onSubmit={submit}>
        <label>
          {t("date_label")}
          {/* Has the focus: whoever opens this dialog wants to type. */}
          <input autofocus type="date" name="day" required max={dayKey(Date.now(), desk.live.timeZone)} />
        </label>
        <button type="submit" class="button primary" disabled={isSearching.value}>
          {t(isSearching.value ? "date_searching" : "date_go")}
        </button>
      </form>
    </Sheet>
  );
}

/** @param {Desk} desk @param {string} channel @param {string} day */
async function goTo(desk, channel, day) {
  const seq = await firstOfDay(desk, channel, day);
  await desk.jump(channel, seq);
}

/**
 * The seq of the first entry on that day or after it; of the last one if there is none. Times rise with the seqs, so that
 * a dozen looks at the log are enough for any channel.
 * @param {Desk} desk @param {string} channel @param {string} day
 */
async function firstOfDay(desk, channel, day) {
  const { timeZone } = desk.live;
  let low = 1;
  let high = desk.client.timeline(channel).head;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { messages } = await desk.client.history(channel, { after: middle - 1, limit: 1 });
    const [entry] = messages;
    if (entry === undefined || dayKey(entry.timeMs, timeZone) >= day) high = middle;
    else low = middle + 1;
  }
  return low;
}
