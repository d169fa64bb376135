/** The figures one looks at first. */

import { t, titled } from "../shared/i18n.js";
import { sideStyle } from "../shared/side_label.jsx";
import { formatBytes } from "./format_bytes.js";

/** @typedef {import('../shared/live.js').Live} Live */
/** @typedef {import('../sdk/sessions.js').Sessions} Sessions */

/** @typedef {import('../sdk/statistics.js').Statistics} Statistics */

/** @param {{ live: Live, sessions: Sessions, statistics: Readonly<Statistics> }} props   `statistics`: of all nodes. */
export function Tiles({ live, sessions, statistics }) {
  const presence = live.presence.value;
  const all = [...sessions.sessions.values()];
  const buffered = all.reduce((sum, { bufferedBytes }) => sum + bufferedBytes, 0);
  const unknown = t("state_unknown");
  // The table is of one node and there at once; the figures are of all and some seconds old.
  const newest = statistics.current && statistics.others.size > 0 ? statistics.steps.at(-1) : undefined;
  return (
    <dl class="tiles">
      <Tile label={t("ops_sessions")} value={sessions.current ? `${newest?.sessions ?? all.length}` : unknown} />
      <Tile label={t("ops_people_online")} value={presence.current ? `${presence.users.size}` : unknown} />
      {live.sides.map((side) => (
        <Tile
          key={side.id}
          label={t("ops_side_online", { side: titled(side.title) })}
          value={presence.current ? `${onlineOf(live, side.id)}` : unknown}
          side={side}
        />
      ))}
      <Tile
        label={t("ops_buffered")}
        value={sessions.current ? formatBytes(newest?.bufferedBytes ?? buffered) : unknown}
      />
    </dl>
  );
}

/** @param {Live} live @param {string} delegation */
function onlineOf(live, delegation) {
  const { sides, users } = live.presence.value;
  return sides.get(delegation)?.online ?? [...users.values()].filter((user) => user.delegation === delegation).length;
}

/** @param {{ label: string, value: string, side?: { colour: string } }} props */
function Tile({ label, value, side }) {
  return (
    <div class="tile" style={side && sideStyle(side)}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}
