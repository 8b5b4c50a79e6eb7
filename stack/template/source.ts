import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { openYaml, type YamlFile } from '../../lib/yaml-file.ts';

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
  readonly root: string;
  readonly file: string;
  readonly yaml: YamlFile;
}

/** @param root the folder that serverless.yml stands in */
export function sourcesOf(root: string): Where {
  const service = open(root, 'serverless.yml');
  const resources = resourceFiles(root);
  return (at) => {
    const [section = '', name = '', ...below] = at;
    const written = resources.find(({ yaml }) => yaml.follow([section, name]).depth === 2);
    if (written) return deepest(written, [section, name, ...below]);
    const path = ['functions', functionOf(String(name))];
    return service.yaml.follow(path).depth === 2 ? deepest(service, path) : undefined;
  };
}

/** The resources as they are written, with the framework's variables in them. */
export function writtenResources(root: string): Record<string, unknown> {
  const Written = z.object({ Resources: z.record(z.string(), z.unknown()).default({}) });
  return Object.assign({}, ...resourceFiles(root).map(({ yaml }) => Written.parse(yaml.content()).Resources));
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

function resourceFiles(root: string): Source[] {
  const files = readdirSync(join(root, 'resources')).filter((file) => file.endsWith('.yml'));
  return files.map((file) => open(root, `resources/${file}`));
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
