/** One element of a DER encoding (X.690), with what it consists of. */
export interface Element {
  /** Its first octet: class, form and number. */
  readonly tag: number;
  /** Its octets without tag and length; a view of what was read. */
  readonly content: Buffer;
  /** All of its octets. */
  readonly raw: Buffer;
  /** The elements in it; empty for a primitive one. */
  readonly children: readonly Element[];
}

/** Tags that requests for certificates are made of. */
export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  PRINTABLE_STRING: 0x13,
  SEQUENCE: 0x30,
  SET: 0x31,
  /** `[0]`, constructed. */
  CONTEXT_0: 0xa0,
} as const;

const CONSTRUCTED = 0x20;
/** A class other than "universal". */
const FOREIGN = 0xc0;
/** Far more than a request needs, and too little for a stack to overflow. */
const DEEPEST = 12;
/** A name longer than any that there is, and than a sentence should quote. */
const LONGEST_OID_OCTETS = 32;

/**
 * Reads one element that fills the bytes. The libraries at hand read BER, in which one value has many encodings; what
 * two readers could understand differently is refused here instead.
 * @throws SyntaxError for everything that is not DER, with the rule that is broken.
 */
export function readDer(bytes: Buffer): Element {
  const element = readElement(bytes, 0);
  if (element.raw.length !== bytes.length) throw new SyntaxError('bytes follow its end');
  return element;
}

/** The elements of a constructed element, which has to have these tags. @throws SyntaxError otherwise */
export function fields<Tags extends readonly number[]>(
  { children }: Element,
  ...tags: Tags
): { [Index in keyof Tags]: Element } {
  if (children.length !== tags.length || children.some(({ tag }, index) => tag !== tags[index]))
    throw new SyntaxError('its structure is another');
  return children as unknown as { [Index in keyof Tags]: Element };
}

/** The OBJECT IDENTIFIER in dotted decimals. */
export function oidOf({ content }: Element): string {
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const octet of content) {
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    if (octet & 0x80) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const [both = 0n, ...rest] = arcs;
  const first = both < 80n ? both / 40n : 2n;
  return [first, both - first * 40n, ...rest].join('.');
}

/** Writes one element. Its content may have up to 65,535 octets. */
export function encode(tag: number, ...contents: Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const octets = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...octets), content]);
}

function readElement(bytes: Buffer, depth: number): Element {
  const { tag, start, end } = readHeader(bytes);
  const content = bytes.subarray(start, end);
  const children = tag & CONSTRUCTED ? readAll(content, depth + 1) : [];
  const element = { tag, content, raw: bytes.subarray(0, end), children };
  requireCanonical(element);
  return element;
}

function readAll(bytes: Buffer, depth: number): Element[] {
  if (depth > DEEPEST) throw new SyntaxError('it is nested too deeply');
  const elements: Element[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const element = readElement(bytes.subarray(offset), depth);
    elements.push(element);
    offset += element.raw.length;
  }
  return elements;
}

function readHeader(bytes: Buffer): { tag: number; start: number; end: number } {
  const [tag, short] = bytes;
  if (tag === undefined || short === undefined) throw new SyntaxError('it is cut off');
  if ((tag & 0x1f) === 0x1f) throw new SyntaxError('it has a long tag');
  const octets = short < 0x80 ? 0 : short & 0x7f;
  // 0x80 is BER's indefinite length; three octets tell more than is ever read here.
  if (short === 0x80 || octets > 3 || bytes.length < 2 + octets) throw new SyntaxError('a length is malformed');
  const length = octets === 0 ? short : bytes.readUIntBE(2, octets);
  if (octets > 0 && length < (octets === 1 ? 0x80 : 2 ** (8 * (octets - 1))))
    throw new SyntaxError('a length is longer than it need be');
  const start = 2 + octets;
  if (start + length > bytes.length) throw new SyntaxError('it is cut off');
  return { tag, start, end: start + length };
}

/** Of the encodings that BER has for a value, DER allows one. X.690, 8 and 11. */
function requireCanonical(element: Element): void {
  const { tag } = element;
  if (tag & FOREIGN) return;
  const isCollection = tag === Tag.SEQUENCE || tag === Tag.SET;
  const isCanonical = tag & CONSTRUCTED || tag === 0x10 || tag === 0x11 ? isCollection : isPrimitive(element);
  if (!isCanonical || (tag === Tag.SET && !isSorted(element.children))) throw new SyntaxError('a value is not in DER');
}

function isPrimitive({ tag, content }: Element): boolean {
  const [first = 0, second = 0] = content;
  const last = content.at(-1) ?? 0;
  switch (tag) {
    case Tag.BOOLEAN:
      return content.length === 1 && (first === 0 || first === 0xff);
    case Tag.INTEGER: {
      const isPadded = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
      return content.length === 1 || (content.length > 1 && !isPadded);
    }
    case Tag.BIT_STRING:
      return content.length > 0 && first < 8 && (first === 0 || (content.length > 1 && last % 2 ** first === 0));
    case Tag.NULL:
      return content.length === 0;
    case Tag.OBJECT_IDENTIFIER:
      return content.length > 0 && content.length <= LONGEST_OID_OCTETS && last < 0x80 && isMinimal(content);
    default:
      return tag !== 0;
  }
}

/** No arc of an OBJECT IDENTIFIER begins with an octet that says nothing. */
function isMinimal(content: Buffer): boolean {
  return content.every((octet, index) => octet !== 0x80 || (index > 0 && (content[index - 1] ?? 0) >= 0x80));
}

function isSorted(elements: readonly Element[]): boolean {
  return elements.every((element, index) => {
    const before = elements[index - 1];
    return !before || Buffer.compare(before.raw, element.raw) <= 0;
  });
}
