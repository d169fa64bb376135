/**
 * What the replies of the register of dispatches carry, checked; apart from `frames.js`, so that only the pages that show
 * dispatches load it. (PROTOCOL.md §13.1)
 */
import { attachment } from "./attachments.js";
import { flag, listOf, natural, oneOf, record, text, withDefault } from "./frames.js";

const item = record({ kind: oneOf("figure", "name", "time"), label: text, value: text });

// States and events are kept as they come: a page that doesn't know one shows its name.
const dispatch = record({
  dispatch: text,
  side: text,
  state: text,
  revision: natural,
  subject: text,
  signatory: text,
  rank: text,
  addressee: text,
  begunMs: natural,
  sinceMs: natural,
  overdue: flag,
  number: withDefault(text, ""),
  precedence: withDefault(text, ""),
  reference: withDefault(text, ""),
  waitsOn: withDefault(text, ""),
  dueMs: withDefault(natural, 0),
  needsReadBack: withDefault(flag, false),
});

const step = record({
  event: text,
  user: text,
  name: text,
  delegation: text,
  timeMs: natural,
  channel: text,
  seq: natural,
  note: withDefault(text, ""),
  untilMs: withDefault(natural, 0),
  place: withDefault(text, ""),
  atMs: withDefault(natural, 0),
  values: withDefault(listOf(text), []),
  matching: withDefault(listOf(flag), []),
  confirmed: withDefault(listOf(flag), []),
  answer: withDefault(text, ""),
});

// A refusal is the name of an error; none is that one may.
const choice = record({ command: text, refusal: withDefault(text, "") });

const content = record({
  body: text,
  sha256: text,
  items: withDefault(listOf(item), []),
  attachments: withDefault(listOf(attachment), []),
  channel: withDefault(text, ""),
});

export const dispatchReplies = {
  step: record({ dispatch, duplicate: flag }),
  dispatches: record({ timeMs: natural, dispatches: listOf(dispatch), more: flag }),
  dispatch: record({
    dispatch,
    history: listOf(step),
    choices: listOf(choice),
    content: withDefault(content, undefined),
  }),
};
