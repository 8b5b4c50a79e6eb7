import { BlockList, isIP } from 'node:net';

/** A scalar of an event: what a leaf of a pattern is compared with. */
export type Leaf = string | number | boolean | null;
export type LeafMatcher = (leaf: Leaf) => boolean;

/** An event pattern that EventBridge would refuse, or that this matcher does not know: the message says where and why. */
export class UnsupportedPattern extends Error {
  override readonly name = 'UnsupportedPattern';

  constructor(path: readonly string[], reason: string) {
    super(`Event pattern is not valid. Reason: ${path.length > 0 ? `at ${path.join('.')}: ` : ''}${reason}`);
  }
}

type Path = readonly string[];

/** One filter of a pattern, `{"prefix": …}` for example, other than `exists`. */
export function operator(name: string, argument: unknown, path: Path): LeafMatcher {
  const build = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (build) return build(argument, path);
  throw new UnsupportedPattern(path, `"${name}" is no filter: known are exists, ${Object.keys(operators).join(', ')}.`);
}

const operators: Record<string, (argument: unknown, path: Path) => LeafMatcher> = {
  prefix: (argument, path) => affix('prefix', argument, path),
  suffix: (argument, path) => affix('suffix', argument, path),
  'equals-ignore-case': (argument, path) => equalsIgnoreCase(textOf(argument, 'equals-ignore-case', path)),
  'anything-but': anythingBut,
  numeric,
  cidr,
  wildcard: (argument, path) => wildcard(textOf(argument, 'wildcard', path), path),
};

function affix(kind: 'prefix' | 'suffix', argument: unknown, path: Path): LeafMatcher {
  const test = (text: string, wanted: string) => (kind === 'prefix' ? text.startsWith(wanted) : text.endsWith(wanted));
  if (typeof argument === 'object' && argument !== null && !Array.isArray(argument)) {
    const [[name, value] = [], ...more] = Object.entries(argument);
    if (name !== 'equals-ignore-case' || more.length > 0) {
      throw new UnsupportedPattern(path, `"${kind}" takes a text or {"equals-ignore-case": a text}.`);
    }
    const wanted = textOf(value, `${kind} equals-ignore-case`, path).toLowerCase();
    return onText((text) => test(text.toLowerCase(), wanted));
  }
  const wanted = textOf(argument, kind, path);
  return onText((text) => test(text, wanted));
}

function equalsIgnoreCase(wanted: string): LeafMatcher {
  return onText((text) => text.toLowerCase() === wanted.toLowerCase());
}

/** Matches a leaf that is there and that none of the listed values or filters matches. */
function anythingBut(argument: unknown, path: Path): LeafMatcher {
  const unwanted = isObject(argument) ? unwantedFilters(argument, path) : unwantedValues(argument, path);
  return (leaf) => !unwanted.some((matches) => matches(leaf));
}

function unwantedFilters(argument: Record<string, unknown>, path: Path): LeafMatcher[] {
  const [[name = '', value] = [], ...more] = Object.entries(argument);
  if (!['prefix', 'suffix', 'equals-ignore-case', 'wildcard'].includes(name) || more.length > 0) {
    throw new UnsupportedPattern(path, '"anything-but" takes one of prefix, suffix, equals-ignore-case, wildcard.');
  }
  return listOf(value, `anything-but ${name}`, path).map((text) =>
    operator(name, textOf(text, `anything-but ${name}`, path), path),
  );
}

function unwantedValues(argument: unknown, path: Path): LeafMatcher[] {
  const values = listOf(argument, 'anything-but', path);
  const isUniform = ['string', 'number'].some((type) => values.every((value) => typeof value === type));
  if (!isUniform) {
    throw new UnsupportedPattern(path, '"anything-but" takes texts or numbers, not both and nothing else.');
  }
  return values.map((value) => (leaf) => leaf === value);
}

/** `["=", 5]`, `[">", 0]`, `["<=", 9]`, or a range from below to above: `[">", 0, "<=", 9]`. */
function numeric(argument: unknown, path: Path): LeafMatcher {
  const terms = Array.isArray(argument) ? argument : [];
  const operators = terms.filter((_, index) => index % 2 === 0).map(String);
  const bounds = terms.filter((_, index) => index % 2 === 1);
  if (!/^(=|<=?|>=?|>=? <=?)$/.test(operators.join(' ')) || bounds.length !== operators.length) {
    throw new UnsupportedPattern(path, '"numeric" takes ["=", n], ["<", n], [">", n] or a range [">", n, "<", m].');
  }
  const [low = 0, high = Number.POSITIVE_INFINITY] = bounds.map((bound) => numberOf(bound, path));
  if (operators.length === 2 && low >= high) {
    throw new UnsupportedPattern(path, `"numeric" has no number between ${low} and ${high}.`);
  }
  const tests = operators.map((name, index) => comparison(name, index === 0 ? low : high));
  return (leaf) => typeof leaf === 'number' && tests.every((test) => test(leaf));
}

function numberOf(bound: unknown, path: Path): number {
  if (typeof bound === 'number' && Math.abs(bound) <= 5e9) return bound;
  throw new UnsupportedPattern(path, `"numeric" takes numbers from -5e9 to 5e9, not ${JSON.stringify(bound)}.`);
}

function comparison(name: string, bound: number): (value: number) => boolean {
  switch (name) {
    case '<':
      return (value) => value < bound;
    case '<=':
      return (value) => value <= bound;
    case '>':
      return (value) => value > bound;
    case '>=':
      return (value) => value >= bound;
    default:
      return (value) => value === bound;
  }
}

function cidr(argument: unknown, path: Path): LeafMatcher {
  const text = textOf(argument, 'cidr', path);
  const [address = '', bits = '', ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (version === 4 ? 32 : 128)) {
    throw new UnsupportedPattern(path, `"cidr" takes an address and a mask such as 10.0.0.0/24, not "${text}".`);
  }
  const block = new BlockList();
  const family = version === 4 ? 'ipv4' : 'ipv6';
  block.addSubnet(address, Number(bits), family);
  return onText((leaf) => isIP(leaf) === version && block.check(leaf, family));
}

/** `*` stands for any characters or none; `\*` and `\\` for themselves. */
function wildcard(text: string, path: Path): LeafMatcher {
  const parts = text.match(/\\.|\\$|\*+|[^\\*]+/gs) ?? [];
  const source = parts.map((part) => {
    if (part === '*') return '.*';
    if (part === '\\*' || part === '\\\\') return part;
    if (part.startsWith('*')) throw new UnsupportedPattern(path, `"wildcard" has ** in "${text}": write one *.`);
    if (part.startsWith('\\'))
      throw new UnsupportedPattern(path, `"wildcard" escapes only * and \\, not as in "${text}".`);
    return part.replace(/[.+?^${}()|[\]]/g, '\\$&');
  });
  const expression = new RegExp(`^${source.join('')}$`, 's');
  return onText((leaf) => expression.test(leaf));
}

function onText(test: (text: string) => boolean): LeafMatcher {
  return (leaf) => typeof leaf === 'string' && test(leaf);
}

function textOf(value: unknown, filter: string, path: Path): string {
  if (typeof value === 'string') return value;
  throw new UnsupportedPattern(path, `"${filter}" takes a text, not ${JSON.stringify(value)}.`);
}

function listOf(value: unknown, filter: string, path: Path): unknown[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length > 0) return list;
  throw new UnsupportedPattern(path, `"${filter}" has an empty list.`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
