import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type Pair, visit } from 'yaml';

/** Something that YAML takes and an operator cannot have meant: where it begins, and a sentence. */
export interface YamlFault {
  readonly offset: number;
  readonly sentence: string;
}

/** Far more than any file of ours needs, and far less than a call stack holds. */
const MOST_LEVELS = 100;

/** In JavaScript these are an object's own machinery: as keys they get lost, and what they restrict becomes wider. */
const RESERVED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** What the anchors before a place stand for, by name. */
type Anchors = Map<string, unknown>;

/**
 * The first part of a document whose content would differ from what is written, or that has no content at all: keys that
 * are not strings or get lost, references to nothing or to themselves, merges of anything but maps, tags.
 */
export function faultIn(document: Document): YamlFault | undefined {
  const anchors: Anchors = new Map();
  let fault: YamlFault | undefined;
  const stopAt = (place: unknown, sentence: string | undefined) => {
    if (sentence !== undefined) fault = { offset: offsetOf(place), sentence };
    return fault && visit.BREAK;
  };
  try {
    visit(document, {
      Value: (_key, node, path) => {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
        return stopAt(node, faultOfTag(node.tag) ?? (path.length > MOST_LEVELS ? TOO_DEEP : undefined));
      },
      Alias: (_key, alias, path) => stopAt(alias, faultOfAlias(alias, anchors, path)),
      Pair: (_key, pair) => stopAt(pair.key, faultOfKey(pair) ?? faultOfMerge(pair, anchors)),
    });
  } catch (error) {
    if (error instanceof RangeError) return { offset: 0, sentence: TOO_DEEP };
    throw error;
  }
  return fault;
}

/** Where the last alias of a document is. */
export function offsetOfLastAlias(document: Document): number {
  let offset = 0;
  visit(document, {
    Alias: (_key, alias) => {
      offset = offsetOf(alias);
    },
  });
  return offset;
}

export const TOO_DEEP = `nested deeper than ${MOST_LEVELS} levels: write it flatter.`;

function faultOfTag(tag: string | undefined): string | undefined {
  return tag && `the tag ${tag.replace(/^tag:yaml\.org,2002:/, '!!')} has no meaning here: remove it.`;
}

function faultOfAlias({ source }: Alias, anchors: Anchors, path: readonly unknown[]): string | undefined {
  if (!anchors.has(source)) return `there is no anchor &${source} before *${source}: set it, or correct the name.`;
  if (!path.includes(anchors.get(source))) return undefined;
  return `&${source} contains itself through *${source}: write out what is meant.`;
}

function faultOfKey({ key }: Pair): string | undefined {
  if (!isScalar(key)) return `a key must be a string, not ${kindOf(key)}: correct it.`;
  const { value, source = '' } = key;
  if (isMergeKey(value)) return undefined;
  if (value === null && source === '') return 'a key is missing: write one before the colon.';
  if (typeof value !== 'string') return `a key must be a string: write "${source}", in quotes.`;
  return RESERVED_KEYS.has(value) ? `"${value}" cannot be a key: rename it.` : undefined;
}

function kindOf(key: unknown): string {
  if (isAlias(key)) return 'an alias';
  return isMap(key) ? 'a map' : 'a list';
}

function faultOfMerge({ key, value }: Pair, anchors: Anchors): string | undefined {
  if (!isScalar(key) || !isMergeKey(key.value)) return undefined;
  // An alias without an anchor has a sentence of its own.
  const isMergeable = (node: unknown) =>
    isAlias(node) ? isMap(anchors.get(node.source)) || !anchors.has(node.source) : isMap(node);
  const sources = isSeq(value) ? value.items : [value];
  return sources.every(isMergeable) ? undefined : '<< merges maps only: give it an alias of a map, or a list of them.';
}

/** Unquoted, it is a symbol to the parser; in quotes it is a key like any other. */
function isMergeKey(value: unknown): boolean {
  return typeof value === 'symbol' && value.description === '<<';
}

function offsetOf(node: unknown): number {
  return (node as { range?: readonly number[] | null } | null)?.range?.[0] ?? 0;
}
