/** A JSON value as the interpreter passes it along. It is never changed: states share them, and so does the history. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** The most that a state may take or give: 256 KiB of JSON in UTF-8. */
const DATA_LIMIT_BYTES = 262_144;

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function exceedsLimit(text: string): boolean {
  // UTF-8 needs at most three bytes for one of JavaScript's characters: most texts need no counting.
  return text.length * 3 > DATA_LIMIT_BYTES && Buffer.byteLength(text) > DATA_LIMIT_BYTES;
}
