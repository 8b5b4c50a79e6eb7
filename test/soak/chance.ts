import type { Random } from '../../world/kernel/random.ts';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

export const isOneOf = (random: Random, share: number): boolean => random() < share;

/** A number from `low` up to `high`. */
export const between = (random: Random, low: number, high: number): number => low + random() * (high - low);

export function oneOf<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError('An empty list has no item to choose.');
  return item;
}

/** One of the items, each as likely as its share. */
export function shared<Item>(random: Random, items: readonly (readonly [item: Item, share: number])[]): Item {
  let left = random() * items.reduce((sum, [, share]) => sum + share, 0);
  for (const [item, share] of items) {
    left -= share;
    if (left < 0) return item;
  }
  return oneOf(random, items)[0];
}
