/**
 * A single answer that misses an object proves nothing: a service can fail to show an existing object for minutes. An
 * absence counts once two looks this far apart have both missed the object, without a sighting between them.
 */
const CONFIRMED_AFTER_SECONDS = 300;

/**
 * How long the second look has to wait; 0 if this look confirms the absence.
 * @param absentSince the first look that missed the object; null if this is the first
 */
export function secondsUntilConfirmed(absentSince: string | null | undefined, now: string): number {
  if (!absentSince) return CONFIRMED_AFTER_SECONDS;
  const waitedSeconds = (Date.parse(now) - Date.parse(absentSince)) / 1000;
  return Math.max(0, Math.ceil(CONFIRMED_AFTER_SECONDS - waitedSeconds));
}

/**
 * A task's result after a lookup: when the object was first missed (null: found, or confirmed absent), and the pause before
 * the next lookup.
 */
export interface Absence {
  readonly absentSince: string | null;
  readonly pauseSeconds: number;
}

/** Nothing is missed, or the absence is confirmed. */
export const SETTLED: Absence = { absentSince: null, pauseSeconds: 0 };

/** Call after a lookup that missed the object. Returns SETTLED once the absence is confirmed. */
export function missed(absentSince: string | null | undefined, now: string): Absence {
  const pauseSeconds = secondsUntilConfirmed(absentSince, now);
  return pauseSeconds === 0 ? SETTLED : { absentSince: absentSince ?? now, pauseSeconds };
}
