/** An own message that the server will not take: why, and what can be done about it. */

import { errorText } from "../shared/error_text.js";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/icons.jsx";

/** @typedef {import('./desk.js').Desk} Desk */

/** @param {{ desk: Desk, failed: { key: string, error?: any } }} props */
export function FailedDelivery({ desk, failed }) {
  return (
    <span class="delivery" data-state="failed" role="alert">
      <Icon name="warning" />
      <span>
        {t("delivery_failed")}
        {failed.error && ` · ${errorText(failed.error)}`}
      </span>
      <button type="button" class="button small" onClick={() => desk.client.retry(failed.key)}>
        {t("delivery_retry")}
      </button>
      <button type="button" class="button small quiet" onClick={() => desk.client.discard(failed.key)}>
        {t("delivery_discard")}
      </button>
    </span>
  );
}
