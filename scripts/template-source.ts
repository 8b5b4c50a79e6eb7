import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';

/** Where something stands in a template: `['Resources', 'LostEvents', 'Properties', 'QueueName']`. */
export type Path = readonly (string | number)[];

/** Something that is wrong with a template, or with a file that it is made of. */
export interface Fault {
  readonly at: Path;
  /** One sentence: what is wrong, and what to do. */
  readonly says: string;
}

/** Tells where a part of the template was written, as `file:line`; undefined for what the framework adds by itself. */
export type Where = (at: Path) => string | undefined;

/** The framework's variable for the content of another file. */
const INCLUSION = /^\$\{file\((.+\.yml)\)\}$/;

interface Source {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** @param root the folder that serverless.yml stands in */
export function sourcesOf(root: string): Where {
  const service = open(root, 'serverless.yml');
  const files = readdirSync(join(root, 'resources')).filter((file) => file.endsWith('.yml'));
  const resources = files.map((file) => open(root, `resources/${file}`));
  return (at) => {
    const [section = '', name = '', ...below] = at;
    const written = resources.find(({ document }) => document.hasIn([section, name]));
    if (written) return deepest(root, written, [section, name, ...below]);
    const key = functionOf(String(name));
    return service.document.hasIn(['functions', key]) ? deepest(root, service, ['functions', key]) : undefined;
  };
}

/** The resources as they are written, with the framework's variables in them. */
export function writtenResources(root: string): Record<string, unknown> {
  const files = readdirSync(join(root, 'resources')).filter((file) => file.endsWith('.yml'));
  const all = files.map((file) => open(root, `resources/${file}`).document.toJS().Resources);
  return Object.assign({}, ...all);
}

/** The same for the parts of one YAML file. */
export function linesOf(root: string, file: string): (at: Path) => string {
  const source = open(root, file);
  return (at) => deepest(root, source, at);
}

export function render(faults: readonly Fault[], where: Where): string[] {
  return faults.map(({ at, says }) => {
    const place = where(at);
    return place ? `${place}: ${says}` : says;
  });
}

/** The framework makes DescribeInstanceLambdaFunction, DescribeInstanceLogGroup and more of a function `describeInstance`. */
function functionOf(resource: string): string {
  const name = resource.replace(/(LambdaFunction|LambdaEvConf|LogGroup|LambdaVersion.*)$/, '');
  return `${name.slice(0, 1).toLowerCase()}${name.slice(1)}`;
}

function open(root: string, file: string): Source {
  const lines = new LineCounter();
  return {
    file,
    lines,
    document: parseDocument(readFileSync(join(root, file), 'utf8'), { lineCounter: lines, merge: true }),
  };
}

/** The line of the innermost part on the path that is written here, or in a file that it includes. */
function deepest(root: string, { file, document, lines }: Source, path: Path): string {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [depth, key] of path.entries()) {
    const next = stepInto(node, key);
    if (!next) break;
    offset = next.offset;
    node = next.node;
    // What an alias stands for is written at its anchor.
    const anchored = isAlias(node) ? node.resolve(document) : undefined;
    if (anchored) {
      offset = anchored.range?.[0] ?? offset;
      node = anchored;
    }
    const included = isScalar(node) ? INCLUSION.exec(String(node.value))?.[1] : undefined;
    if (included && depth + 1 < path.length) return deepest(root, open(root, included), path.slice(depth + 1));
  }
  return `${file}:${lines.linePos(offset).line}`;
}

function stepInto(node: unknown, key: string | number): { node: unknown; offset: number } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(key)] as { range?: [number, number, number] } | undefined;
    return item && { node: item, offset: item.range?.[0] ?? 0 };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((one) => isScalar(one.key) && String(one.key.value) === String(key));
  if (!pair) return undefined;
  return { node: pair.value, offset: (pair.key as { range?: [number, number, number] }).range?.[0] ?? 0 };
}
