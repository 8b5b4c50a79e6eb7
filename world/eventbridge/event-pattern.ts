import { isObject, type Leaf, type LeafMatcher, operator, UnsupportedPattern } from './event-matchers.ts';

export { UnsupportedPattern };

/** Part of a pattern, compared with the part of the event that stands at the same place (undefined when nothing does). */
interface Node {
  matches(value: unknown): boolean;
  /** It asks for nothing but the absence of fields. */
  readonly onlyAbsence: boolean;
}

/**
 * EventBridge's pattern grammar, whole: values, nesting, `$or`, and the filters prefix, suffix, equals-ignore-case,
 * anything-but, numeric, cidr, wildcard, exists. Every field must match; of a field's list one entry is enough; of an
 * array in the event one element is enough, and fields below an array must match within the same element.
 *
 * One difference: EventBridge compares plain numbers as they are written (300 is not 3.0e2), here they are numbers.
 *
 * @throws UnsupportedPattern when EventBridge would refuse the pattern, or it holds a filter that is not known
 */
export function compilePattern(pattern: unknown): (event: unknown) => boolean {
  const root = compileObject(pattern, []);
  return (event) => root.matches(event);
}

function compileObject(pattern: unknown, path: readonly string[]): Node {
  if (!isObject(pattern)) throw new UnsupportedPattern(path, 'a pattern is an object, or a list of what to match.');
  if (Object.keys(pattern).length === 0) throw new UnsupportedPattern(path, 'an empty object matches nothing.');
  const fields = Object.entries(pattern).map(([name, below]) =>
    name === '$or' ? compileOr(below, [...path, name]) : compileField(name, below, [...path, name]),
  );
  return all(fields);
}

function all(nodes: readonly Node[]): Node {
  return {
    onlyAbsence: nodes.every((node) => node.onlyAbsence),
    matches: (value) => nodes.every((node) => node.matches(value)),
  };
}

function compileOr(alternatives: unknown, path: readonly string[]): Node {
  if (!Array.isArray(alternatives) || alternatives.length < 2) {
    throw new UnsupportedPattern(path, '$or takes a list of at least two objects.');
  }
  const nodes = alternatives.map((alternative) => compileObject(alternative, path));
  return {
    onlyAbsence: nodes.every((node) => node.onlyAbsence),
    matches: (value) => nodes.some((node) => node.matches(value)),
  };
}

function compileField(name: string, below: unknown, path: readonly string[]): Node {
  const node = Array.isArray(below) ? compileLeaf(below, path) : across(compileObject(below, path));
  return {
    onlyAbsence: node.onlyAbsence,
    matches: (value) => node.matches(isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
  };
}

/** An array in the event: one of its elements must match, unless absence is all that is asked, which all must show. */
function across(node: Node): Node {
  const matches = (value: unknown): boolean => {
    if (!Array.isArray(value)) return node.matches(value);
    return node.onlyAbsence ? value.every(matches) : value.some(matches);
  };
  return { onlyAbsence: node.onlyAbsence, matches };
}

function compileLeaf(entries: readonly unknown[], path: readonly string[]): Node {
  if (entries.length === 0) throw new UnsupportedPattern(path, 'an empty list matches nothing.');
  const matchers = entries.map((entry) => compileEntry(entry, path));
  return {
    onlyAbsence: matchers.every((matcher) => matcher === ABSENT),
    matches: (value) => {
      const leaves = leavesOf(value);
      // `exists` asks for leaves: an object or an empty array at this place is none.
      if (leaves.length === 0) return matchers.includes(ABSENT);
      return leaves.some((leaf) => matchers.some((matcher) => matcher(leaf)));
    },
  };
}

const ABSENT: LeafMatcher = () => false;
const PRESENT: LeafMatcher = () => true;

function compileEntry(entry: unknown, path: readonly string[]): LeafMatcher {
  if (!isObject(entry)) {
    if (Array.isArray(entry)) throw new UnsupportedPattern(path, 'a list within a list matches nothing.');
    return (leaf) => leaf === entry;
  }
  const [[name, argument] = [], ...more] = Object.entries(entry);
  if (name === undefined || more.length > 0) throw new UnsupportedPattern(path, 'a filter is an object with one key.');
  if (name !== 'exists') return operator(name, argument, path);
  if (typeof argument !== 'boolean') throw new UnsupportedPattern(path, '"exists" takes true or false.');
  return argument ? PRESENT : ABSENT;
}

function leavesOf(value: unknown): Leaf[] {
  if (Array.isArray(value)) return value.flatMap(leavesOf);
  return value === undefined || isObject(value) ? [] : [value as Leaf];
}
