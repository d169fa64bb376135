/**
 * What the page can do without until somebody asks for it: panels, sheets, the toolbar of a message. One file of its own,
 * loaded once the first messages are on the screen; see `use_extras.js`.
 */

// The page itself: the bundler then sees that all of it is needed here, and leaves it in one file, which weighs less than two.
import "./chat.jsx";
import "../shared/page.jsx";
import "../shared/inner_icons.js";

import { followPresence } from "../shared/follow_presence.js";
import { addTexts, LOCALES, loadTexts } from "../shared/i18n.js";
import { en as innerEn } from "../shared/inner_messages_en.js";
import { ko as innerKo } from "../shared/inner_messages_ko.js";
import { en as outerEn } from "../shared/outer_messages_en.js";
import { ko as outerKo } from "../shared/outer_messages_ko.js";
import { en } from "./messages_en.js";
import { ko } from "./messages_ko.js";
import { followNews } from "./notifications.js";
import { followShortcuts } from "./shortcuts.js";
import { loadRegisters } from "./use_registers.js";

addTexts({ ko, en });
addTexts({ ko: innerKo, en: innerEn });
addTexts({ ko: outerKo, en: outerEn });

export { Attached } from "../shared/attached.jsx";
export { Notices } from "../shared/notices.jsx";
export { AccountSheet } from "./account_sheet.jsx";
export { ComposerTray } from "./composer_tray.jsx";
export { DateSheet } from "./date_sheet.jsx";
export { FailedDelivery } from "./failed_delivery.jsx";
export { HelpSheet } from "./help_sheet.jsx";
export { Intent } from "./intent.jsx";
export { MentionCompletion, MentionList } from "./mention_list.jsx";
export { MessageActions } from "./message_actions.jsx";
export { moveBetweenMessages } from "./message_keys.js";
export { NoChannels } from "./no_channels.jsx";
export { OwnMenu } from "./own_menu.jsx";
export { PeoplePanel } from "./people_panel.jsx";
export { PrecedenceChoice } from "./precedence_choice.jsx";
export { QuickSwitcher } from "./quick_switcher.jsx";
export { SearchPanel } from "./search_panel.jsx";
export { registers } from "./use_registers.js";

/** Begin what goes on as long as the page is open. @param {import('./desk.js').Desk} desk */
export function accompany(desk) {
  followPresence(desk.live);
  loadRegisters();
  // The other language too, so that one can switch to it without a line.
  for (const name of LOCALES) loadTexts(name).catch(() => {});
  const endings = [followNews(desk), followShortcuts(desk)];
  return () => {
    for (const end of endings) end();
  };
}
