/** Until the server has said who one is and what office this is; without a connection that may take a while. */

import { ConnectionStatus } from "./connection_status.jsx";

/** @param {{ live: import("./live.js").Live }} props */
export function Waiting({ live }) {
  return (
    <main class="loading">
      <ConnectionStatus live={live} />
    </main>
  );
}
