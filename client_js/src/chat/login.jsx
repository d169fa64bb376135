/** The form for signing in, in a file of its own: whoever is signed in doesn't need it. */

// As in extras.jsx: what is already here stays in one file.
import "./chat.jsx";
import "../shared/page.jsx";

import { addTexts } from "../shared/i18n.js";
import { en } from "../shared/outer_messages_en.js";
import { ko } from "../shared/outer_messages_ko.js";
import { addStyle } from "./use_extras.js";

addTexts({ ko, en });
await addStyle();

export { LoginForm } from "../shared/login_form.jsx";
