/** Whatever is listed in pages bears the number in which it came into being. */
export interface Numbered {
  readonly serial: number;
}

/**
 * One page of a list whose items stand in the order of their serials. The token names the last item that was given
 * out, not a position: nothing is left out when earlier items vanish between two pages, as instances do.
 *
 * Throws what `refuse` makes of a token that is none of ours.
 */
export function pageBySerial<Item extends Numbered>(
  items: Iterable<Item>,
  limit: number,
  token: string | undefined,
  refuse: () => Error,
): { items: Item[]; nextToken: string | undefined } {
  const after = token === undefined ? 0 : serialOf(token, refuse);
  const found: Item[] = [];
  for (const item of items) {
    if (item.serial <= after) continue;
    if (found.length === limit) return { items: found, nextToken: tokenAfter(found.at(-1)) };
    found.push(item);
  }
  return { items: found, nextToken: undefined };
}

function tokenAfter(item: Numbered | undefined): string {
  return Buffer.from(`after:${item?.serial ?? 0}`).toString('base64');
}

function serialOf(token: string, refuse: () => Error): number {
  const serial = /^after:(\d+)$/.exec(Buffer.from(token, 'base64').toString())?.[1];
  if (serial === undefined) throw refuse();
  return Number(serial);
}
