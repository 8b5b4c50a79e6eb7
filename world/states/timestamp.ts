const ISO_8601 = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

/**
 * @param text ISO 8601 with an offset, as `2026-03-14T01:59:00Z` or `2026-03-14T01:59:00.25+01:00`
 * @returns nanoseconds since the epoch; undefined when `text` is no such instant
 */
export function parseTimestamp(text: unknown): bigint | undefined {
  const match = typeof text === 'string' ? ISO_8601.exec(text) : null;
  if (!match) return undefined;
  const [, seconds = '', fraction = '', offset = ''] = match;
  const milliseconds = Date.parse(seconds + offset);
  if (Number.isNaN(milliseconds) || !isOnCalendar(seconds)) return undefined;
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** JavaScript rolls 31 February over into March; the service refuses it. */
function isOnCalendar(seconds: string): boolean {
  const day = seconds.slice(0, 10);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}
