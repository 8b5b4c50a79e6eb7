import { readFileSync } from 'node:fs';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLError } from 'yaml';
import { InvalidRequest } from './errors.ts';
import { faultIn, offsetOfLastAlias, TOO_DEEP } from './yaml-faults.ts';

/** How many nodes one alias may stand for, those behind other aliases included. */
const MOST_ALIASES = 100;

/** A YAML file, and where its parts stand in it. */
export interface YamlFile {
  /** What it says. */
  content(): unknown;
  /** `file:line` of the innermost part on the path that is written there. */
  placeOf(path: readonly PropertyKey[]): string;
  /** How far the path is written there. What an alias stands for is written at its anchor. */
  follow(path: readonly PropertyKey[]): Reached;
}

/** The innermost part on a path. */
export interface Reached {
  /** How many steps of the path lead to it. */
  readonly depth: number;
  readonly line: number;
  /** What it says, where it is neither a list nor a map. */
  readonly scalar: unknown;
}

/**
 * @param name what a sentence is to call the file
 * @throws InvalidRequest when it cannot be read, or is not YAML
 */
export function openYaml(file: string, name = file): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(textOf(file, name), { lineCounter: lines, merge: true, prettyErrors: false });
  const [broken] = document.errors;
  if (broken) throw unreadable(broken.pos[0], reasonOf(broken), broken);
  const fault = faultIn(document);
  if (fault) throw unreadable(fault.offset, fault.sentence);
  return { content, follow, placeOf: (path) => `${name}:${follow(path).line}` };

  function content(): unknown {
    try {
      return document.toJS({ maxAliasCount: MOST_ALIASES });
    } catch (error) {
      throw unreadable(offsetOfLastAlias(document), 'too many aliases of aliases: write out what is meant.', error);
    }
  }

  function unreadable(offset: number, sentence: string, cause?: unknown): InvalidRequest {
    return new InvalidRequest(`${name}:${lineAt(offset)}: ${sentence}`, { cause });
  }

  function follow(path: readonly PropertyKey[]): Reached {
    let node: unknown = document.contents;
    let offset = 0;
    let depth = 0;
    for (const key of path) {
      const next = stepInto(node, key);
      if (!next) break;
      const anchored = isAlias(next.node) ? next.node.resolve(document) : undefined;
      node = anchored ?? next.node;
      offset = anchored?.range?.[0] ?? next.offset;
      depth++;
    }
    return { depth, line: lineAt(offset), scalar: isScalar(node) ? node.value : undefined };
  }

  /** Of an empty file there is no line to count. */
  function lineAt(offset: number): number {
    return Math.max(lines.linePos(offset).line, 1);
  }
}

function textOf(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : error;
    throw new InvalidRequest(`${name} cannot be read (${reason}): put it there, as a file of text.`, { cause: error });
  }
}

function reasonOf({ code, message }: YAMLError): string {
  return code === 'RESOURCE_EXHAUSTION' ? TOO_DEEP : `not YAML (${message}): correct it.`;
}

function stepInto(node: unknown, key: PropertyKey): { node: unknown; offset: number } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(key)] as { range?: [number, number, number] } | undefined;
    return item && { node: item, offset: item.range?.[0] ?? 0 };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((one) => isScalar(one.key) && String(one.key.value) === String(key));
  if (!pair) return undefined;
  return { node: pair.value, offset: (pair.key as { range?: [number, number, number] }).range?.[0] ?? 0 };
}
