/** The chat page. */

import "../shared/base.css";
import "./chat.css";

import { startPage } from "../shared/page.jsx";
import { Chat } from "./chat.jsx";

startPage("chat_title", Chat, () => import("./login.jsx"));
