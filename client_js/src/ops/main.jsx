/** The operations page. */

import "uplot/dist/uPlot.min.css";
import "../shared/base.css";
import "../shared/outer.css";
import "../shared/inner.css";
import "../shared/line_check_strip.css";
import "./ops.css";
import "../shared/inner_icons.js";

import { addTexts } from "../shared/i18n.js";
import { en as innerEn } from "../shared/inner_messages_en.js";
import { ko as innerKo } from "../shared/inner_messages_ko.js";
import { LoginForm } from "../shared/login_form.jsx";
import { en as outerEn } from "../shared/outer_messages_en.js";
import { ko as outerKo } from "../shared/outer_messages_ko.js";
import { startPage } from "../shared/page.jsx";
import { en } from "./messages_en.js";
import { ko } from "./messages_ko.js";
import { OperationsPage } from "./operations.jsx";

addTexts({ ko: innerKo, en: innerEn });
addTexts({ ko: outerKo, en: outerEn });
addTexts({ ko, en });
startPage("ops_title", OperationsPage, async () => ({ LoginForm }));
