import type { Random } from './random.ts';

/** From and to, both included. */
export type Range = readonly [from: number, to: number];

/** How long something takes this time: exactly the number, or anywhere within the range. Seconds in, seconds out. */
export function secondsWithin(seconds: number | Range, random: Random): number {
  if (typeof seconds === 'number') return seconds;
  const [from, to] = seconds;
  return from + (to - from) * random();
}
