import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openYaml, type YamlFile } from '../../lib/yaml-file.ts';
import { FUNCTIONS_FILE, type Generated, originOf, readFunctions } from '../../resources/functions.ts';
import { GENERATED_FILE, readService } from '../../resources/service.ts';

/** The path of something in a template: `['Resources', 'LostEvents', 'Properties', 'QueueName']`. */
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
  readonly root: string;
  readonly file: string;
  readonly yaml: YamlFile;
}

/** @param root the folder of serverless.yml */
export function sourcesOf(root: string): Where {
  const { table, yaml } = readFunctions(root);
  const resources = resourceFiles(root);
  const kept = keptGrants(root);
  return (at) => {
    const [section = '', name = '', ...below] = at;
    const written = resources.find(({ yaml }) => yaml.follow([section, name]).depth === 2);
    if (written) return deepest(written, [section, name, ...below]);
    const origin = originOf(table, at, kept);
    return origin && yaml.placeOf(origin);
  };
}

/** As the last build has left it, with which the template was made. */
function keptGrants(root: string): Generated['kept'] {
  const file = join(root, GENERATED_FILE);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Generated).kept : {};
}

/** What a packaged template is compared with. */
export interface Written {
  readonly where: Where;
  readonly resources: Record<string, unknown>;
}

export function readWritten(root: string): Written {
  return { where: sourcesOf(root), resources: writtenResources(root) };
}

/** The resources with the stage still a variable. */
function writtenResources(root: string): Record<string, unknown> {
  return Object.assign({}, ...readService(root).resources.map(({ Resources }) => Resources));
}

export function render(faults: readonly Fault[], where: Where): string[] {
  return faults.map(({ at, says }) => {
    const place = where(at);
    return place ? `${place}: ${says}` : says;
  });
}

function resourceFiles(root: string): Source[] {
  const files = readdirSync(join(root, 'resources')).map((file) => `resources/${file}`);
  const ofCloudFormation = files.filter((file) => file.endsWith('.yml') && file !== FUNCTIONS_FILE);
  return ofCloudFormation.map((file) => open(root, file));
}

function open(root: string, file: string): Source {
  return { root, file, yaml: openYaml(join(root, file), file) };
}

/** The line of the innermost part on the path that is written here, or in a file that it includes. */
function deepest({ root, file, yaml }: Source, path: Path): string {
  const { depth, line, scalar } = yaml.follow(path);
  const included = INCLUSION.exec(String(scalar))?.[1];
  if (included && depth < path.length) return deepest(open(root, included), path.slice(depth));
  return `${file}:${line}`;
}
