/** What stands behind one's own name: language and appearance, account, shortcuts, signing out. */

import { DisplaySettings } from "../shared/display_settings.jsx";
import { t } from "../shared/i18n.js";

/** @typedef {import('./desk.js').Desk} Desk */

/** @param {{ desk: Desk, signOut: () => void }} props */
export function OwnMenu({ desk, signOut }) {
  return (
    <>
      <DisplaySettings />
      <SheetButton desk={desk} sheet="account" />
      <SheetButton desk={desk} sheet="help" />
      <button type="button" class="button" onClick={signOut}>
        {t("logout")}
      </button>
    </>
  );
}

/** @param {{ desk: Desk, sheet: 'account' | 'help' }} props */
function SheetButton({ desk, sheet }) {
  return (
    <button
      type="button"
      class="button"
      popovertarget="own-menu"
      popovertargetaction="hide"
      onClick={() => desk.openSheet(sheet)}
    >
      {t(sheet)}
    </button>
  );
}
