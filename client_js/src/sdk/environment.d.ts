/**
 * All that the SDK takes from its surroundings without being given it: what browsers and Node have alike and what is no
 * door to the outside. Everything else is handed in. `tsconfig.sdk.json` checks it, without the DOM and without Node.
 */

declare function structuredClone<T>(value: T): T;

declare function atob(base64: string): string;

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBufferView): string;
}

declare function btoa(binary: string): string;
declare function atob(base64: string): string;
