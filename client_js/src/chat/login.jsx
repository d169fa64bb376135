/** The form for signing in, in a file of its own: whoever is signed in doesn't need it. */

// As in extras.jsx: what is already here stays in one file.
import "./chat.jsx";
import "../shared/page.jsx";

import { loadMoreTexts } from "../shared/i18n.js";
import { addStyle } from "./use_extras.js";

await Promise.all([
  loadMoreTexts({
    ko: () => import("../shared/outer_messages_ko.js"),
    en: () => import("../shared/outer_messages_en.js"),
  }),
  addStyle("sign-in-style"),
]);

export { LoginForm } from "../shared/login_form.jsx";
