/** The wire in MessagePack, which is smaller than JSON and takes code of its own. (PROTOCOL.md §3) */
import { decode, encode } from "./msgpack.js";

/** Binary frames. @type {import("./wire.js").Wire} */
export const msgpack = {
  subprotocol: "liaison.v1.msgpack",
  encode,
  decode(data) {
    if (!(data instanceof ArrayBuffer || ArrayBuffer.isView(data))) throw new TypeError("text on a msgpack line");
    return decode(data);
  },
};
