/** A source of chance: each call answers the next number in [0, 1). */
export type Random = () => number;

/**
 * The same numbers again for the same seed: mulberry32 (Tommy Ettinger's, public domain), 2^32 states. Good enough
 * for jitter and for fault dice; never for secrets.
 *
 * @param seed any integer; only its lower 32 bits count
 */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
