import { encode, Tag } from '../../services/identity/der.ts';
import type { Random } from '../../world/kernel/random.ts';

/** Octets that mean something in DER, and one in a name. */
const TELLING = [0, 1, 2, 3, 5, 6, 0x0c, 0x13, 0x1f, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0xa0, 0xff, 0x2d];
const WORDS = ['\n', '\r\n', ' ', '=', '-----', 'A', '\t', '\0', '-----BEGIN CERTIFICATE REQUEST-----\n', 'é'];

/** Changes texts and encodings a little, the same for the same random numbers. */
export function mutator(random: Random) {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <Item>(items: readonly Item[]) => items[below(items.length)] as Item;

  /** Changes, adds, drops, doubles or moves some octets; now and then with all lengths around them made right again. */
  function bytes(before: Buffer): Buffer {
    const at = below(before.length);
    const until = Math.min(before.length, at + 1 + below(8));
    const [head, middle, tail] = [before.subarray(0, at), before.subarray(at, until), before.subarray(until)];
    const flipped = Buffer.from(middle);
    flipped[0] = (flipped[0] ?? 0) ^ (1 << below(8));
    const told = Buffer.from(middle);
    told[0] = pick(TELLING);
    const choices = [flipped, told, Buffer.alloc(0), Buffer.concat([middle, middle]), Buffer.concat([middle, told])];
    return Buffer.concat([head, pick(choices), tail]);
  }

  /** One element of the tree, at any depth, changed within; the lengths around it are right. */
  function tree(before: Buffer): Buffer {
    const [tag = 0, length = 0] = before;
    const start = length < 0x80 ? 2 : 2 + (length & 0x7f);
    const parts = tag & 0x20 || tag === Tag.OCTET_STRING ? elements(before.subarray(start)) : [];
    if (parts.length === 0 || below(8) === 0) return bytes(before);
    const at = below(parts.length);
    const part = parts[at] as Buffer;
    const changed = [() => tree(part), () => tree(part), () => Buffer.alloc(0), () => Buffer.concat([part, part])];
    return encode(tag, ...parts.with(at, pick(changed)()));
  }

  function text(before: string): string {
    const at = below(before.length);
    const rest = before.slice(at + below(3));
    return pick([
      before.slice(0, at) + pick(WORDS) + rest,
      before.replaceAll('\n', pick(['\r\n', '\n\n', '\n '])),
      pick(WORDS) + before,
      before + pick(WORDS),
      before + before,
    ]);
  }

  return { below, pick, bytes, tree, text };
}

/** The elements one after the other; none where these are no elements. */
function elements(content: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let rest = content; rest.length > 0; ) {
    const [, length = 0] = rest;
    const octets = length < 0x80 ? 0 : length & 0x7f;
    if (octets > 2 || rest.length < 2 + octets) return [];
    const end = 2 + octets + (octets === 0 ? length : rest.readUIntBE(2, octets));
    if (end > rest.length) return [];
    found.push(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
  return found;
}
