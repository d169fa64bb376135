/** What the keyboard can do. */

import { t } from "../shared/i18n.js";
import { Sheet } from "./sheet.jsx";

/** Text and keys, in the order in which one needs them. @type {readonly (readonly [string, readonly string[]])[]} */
const SHORTCUTS = [
  ["help_send", ["Enter"]],
  ["help_newline", ["Shift", "Enter"]],
  ["help_correct", ["↑"]],
  ["help_mention", ["@"]],
  ["help_switcher", ["Ctrl", "K"]],
  ["help_channel", ["Alt", "↑ ↓"]],
  ["help_search", ["Ctrl", "Shift", "F"]],
  ["help_date", ["Ctrl", "Shift", "D"]],
  ["help_messages", ["↑ ↓"]],
  ["help_cancel", ["Esc"]],
  ["help_line_check", ["F9"]],
  ["help_help", ["Ctrl", "/"]],
];

/** @param {{ desk: import('./desk.js').Desk }} props */
export function HelpSheet({ desk }) {
  return (
    <Sheet desk={desk} title={t("help")} name="help">
      <dl class="shortcuts">
        {SHORTCUTS.map(([text, keys]) => (
          <div key={text}>
            <dt>{t(text)}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Sheet>
  );
}
