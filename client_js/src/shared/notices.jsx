/** What everybody at a screen should know: notices of the server, and what could not be done just now. */

import { errorText } from "./error_text.js";
import { t, titled } from "./i18n.js";
import { Icon } from "./icons.jsx";

/** @param {{ live: import("./live.js").Live }} props */
export function Notices({ live }) {
  const notice = live.notice.value;
  const failure = live.failure.value;
  if (!notice && !failure) return null;
  return (
    <div class="notice" data-severity={failure ? "warning" : notice?.severity} role="alert">
      <Icon name="warning" />
      <span dir="auto">{failure ? errorText(failure) : notice && titled(notice.text)}</span>
      <button
        type="button"
        class="button quiet small"
        aria-label={t("close")}
        onClick={() => {
          live[failure ? "failure" : "notice"].value = undefined;
        }}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}
