/** How urgent the next message is. Every message is routine again until somebody says otherwise. */

import { t } from "../shared/i18n.js";

/** @typedef {import('./desk.js').Desk} Desk */

const PRECEDENCES = ["", "priority", "flash", "life_safety"];

/** @param {{ desk: Desk }} props */
export function PrecedenceChoice({ desk }) {
  return (
    <select
      class="precedence-choice"
      aria-label={t("send_as")}
      value={desk.precedence.value}
      data-precedence={desk.precedence.value}
      onChange={({ currentTarget }) => {
        desk.precedence.value = currentTarget.value;
      }}
    >
      {PRECEDENCES.map((name) => (
        <option key={name} value={name}>
          {t(`precedence_${name || "routine"}`)}
        </option>
      ))}
    </select>
  );
}
