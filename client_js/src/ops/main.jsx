/** The operations page. */

import "../shared/base.css";
import "./ops.css";

import { addTexts } from "../shared/i18n.js";
import { startPage } from "../shared/page.jsx";
import { en } from "./messages_en.js";
import { ko } from "./messages_ko.js";
import { Operations } from "./operations.jsx";

addTexts({ ko, en });
startPage("ops_title", Operations);
