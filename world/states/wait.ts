import { Fault } from './fault.ts';
import type { Json } from './json.ts';
import { MissingPath, type Path, type Scope } from './path.ts';
import type { WaitState } from './schema.ts';
import { parseTimestamp } from './timestamp.ts';

/**
 * @param now milliseconds since the epoch
 * @returns the instant at which a Wait state is over, in milliseconds since the epoch
 * @throws Fault in the service's words, when a path names nothing, or nothing that one can wait for
 */
export function waitsUntil(state: WaitState, scope: Scope, now: number): number {
  if (state.Seconds !== undefined) return now + state.Seconds * 1000;
  if (state.SecondsPath) return now + readSeconds(state.SecondsPath, scope) * 1000;
  if (state.TimestampPath) return readTimestamp(state.TimestampPath, scope);
  return toMilliseconds(parseTimestamp(state.Timestamp) as bigint);
}

function readSeconds(path: Path, scope: Scope): number {
  const value = read('SecondsPath', path, scope);
  const found = `${path.text} == ${JSON.stringify(value)}`;
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw new Fault(`The SecondsPath parameter cannot be parsed as a long value: ${found}`);
  if (value < 0) throw new Fault(`The SecondsPath parameter references a negative value: ${found}`);
  return value;
}

function readTimestamp(path: Path, scope: Scope): number {
  const value = read('TimestampPath', path, scope);
  const instant = parseTimestamp(value);
  if (instant !== undefined) return toMilliseconds(instant);
  const found = `${path.text} == ${typeof value === 'string' ? value : JSON.stringify(value)}`;
  const problem = 'does not reference a valid ISO-8601 extended offset date-time format string';
  throw new Fault(`The TimestampPath parameter ${problem}: ${found}`);
}

function read(field: string, path: Path, scope: Scope): Json {
  try {
    return path.read(scope);
  } catch (error) {
    if (!(error instanceof MissingPath)) throw error;
    throw new Fault(`The ${field} parameter does not reference an input value: ${path.text}`);
  }
}

/** Rounded up: a wait is never over before its instant. */
function toMilliseconds(nanoseconds: bigint): number {
  return Number((nanoseconds + 999_999n) / 1_000_000n);
}
