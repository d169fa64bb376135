/** A dialog over the page: Escape, the button and a click beside it close it, and the focus goes back where it was. */

import { useEffect, useRef } from "preact/hooks";

import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";

/**
 * @param {{ desk: import('./desk.js').Desk, title: string, name: import('./desk.js').Sheet, children: import('preact').ComponentChildren }} props
 */
export function Sheet({ desk, title, name, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself.
    <dialog
      ref={dialog}
      class={`sheet ${name}`}
      aria-label={title}
      onClose={() => {
        // Another may have been asked for before the browser tells of this.
        if (desk.sheet.value === name) desk.sheet.value = "";
      }}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current?.close();
      }}
    >
      <header>
        <h2>{title}</h2>
        <button type="button" class="button quiet" aria-label={t("close")} onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
}
