export interface PageRequest<Item> {
  /** The most items to give; 0 or nothing: 100. */
  readonly maxResults?: number | undefined;
  readonly nextToken?: string | undefined;
  /** Whether the last item comes first. */
  readonly newestFirst: boolean;
  readonly keep?: (item: Item) => boolean;
  /** What to throw at a token that is none of ours. */
  readonly refuse: (token: string) => Error;
}

/**
 * One page of a list that only ever grows at its end. The token names the last item that was given out by its number:
 * what is added between two pages shifts nothing.
 */
export function numberedPage<Item>(
  items: readonly Item[],
  request: PageRequest<Item>,
): { items: Item[]; nextToken?: string } {
  const { newestFirst, nextToken, keep = () => true } = request;
  const last = nextToken === undefined ? undefined : numberOf(nextToken, request.refuse);
  const limit = request.maxResults || 100;
  const found: Item[] = [];
  let number = last ?? (newestFirst ? items.length + 1 : 0);
  for (;;) {
    const next = newestFirst ? number - 1 : number + 1;
    const item = items[next - 1];
    if (item === undefined) return { items: found };
    if (keep(item)) {
      if (found.length === limit) return { items: found, nextToken: tokenOf(number) };
      found.push(item);
    }
    number = next;
  }
}

function tokenOf(number: number): string {
  return Buffer.from(`item:${number}`).toString('base64');
}

function numberOf(token: string, refuse: (token: string) => Error): number {
  const number = /^item:(\d+)$/.exec(Buffer.from(token, 'base64').toString())?.[1];
  if (number === undefined) throw refuse(token);
  return Number(number);
}
