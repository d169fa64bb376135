/** The registers' pages, loaded when the rest is; see chat/use_registers.js. */

// What they share with the chat: the bundler then leaves that in the files where it is.
import "../chat/extras.jsx";

import { addTexts } from "../shared/i18n.js";
import { en } from "./messages_en.js";
import { ko } from "./messages_ko.js";

addTexts({ ko, en });

export { RegisterNotices } from "./alarms.jsx";
export { RegisterPage } from "./register_page.jsx";
export { LineActions, LineMark, SuspensionBanner } from "./suspension.jsx";
