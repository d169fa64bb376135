/** Signs that reading and writing don't wait for. */

import { PATHS } from "./icons.jsx";

Object.assign(PATHS, {
  close: "M6 6l12 12M18 6L6 18",
  warning: "M12 4l9 16H3zM12 10v4M12 17h.01",
  withdraw: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
});
