import type { Instance } from '../lib/state.ts';

/** The oldest first; who has no launch time comes last. */
export function oldestFirst<Item extends { readonly instance: Instance }>(items: readonly Item[]): Item[] {
  const launched = ({ instance }: Item) => (instance.launchTime === null ? Infinity : Date.parse(instance.launchTime));
  return items.toSorted((a, b) => launched(a) - launched(b) || compare(a.instance.instanceId, b.instance.instanceId));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
