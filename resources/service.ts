/** The one reader of serverless.yml: what it says with all that it includes, without the framework and before any build. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { type Generated, generate, type ProfileParts, readFunctions } from './functions.ts';

const Resource = z.looseObject({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) });

const Service = z.looseObject({
  service: z.string(),
  provider: z.looseObject({ timeout: z.int(), environment: z.record(z.string(), z.unknown()) }),
  functions: z.record(
    z.string(),
    z.looseObject({ name: z.string(), handler: z.string(), role: z.string(), timeout: z.int().optional() }),
  ),
  resources: z.array(z.looseObject({ Resources: z.record(z.string(), Resource).default({}) })),
});
export type Service = z.infer<typeof Service>;

/** Where the build writes what is made of resources/functions.yml. */
export const GENERATED_FILE = 'build/functions.json';

/** The framework's variable for a file, or a part of one. */
const INCLUSION = /\$\{file\(([^)]+)\)(?::([\w.-]+))?\}/;

/**
 * @param root the folder that serverless.yml is in
 * @param stage put in the place of the framework's variable; left out, the variable stays
 * @throws Error when a file is missing, or says something in another shape than the one that is read here
 */
export function readService(root: string, stage?: string): Service {
  const generated: unknown = JSON.parse(inStage(JSON.stringify(readGenerated(root)), stage));
  return Service.parse(read('serverless.yml'));

  function read(file: string): unknown {
    return included(parse(inStage(readFileSync(join(root, file), 'utf8'), stage), { merge: true }));
  }

  function included(value: unknown): unknown {
    return JSON.parse(JSON.stringify(value), (_key, below) => (typeof below === 'string' ? resolved(below) : below));
  }

  function resolved(text: string): unknown {
    const [variable, file = '', address] = INCLUSION.exec(text) ?? [];
    if (variable === undefined) return text;
    const isYaml = file.endsWith('.yml') && variable === text;
    if (isYaml) return read(file);
    // What the build alone knows (the profiles' part, the stage) stays as it is.
    if (file !== GENERATED_FILE || address === undefined) return text;
    const part = partOf(generated, address);
    return variable === text ? included(part) : resolved(text.replace(variable, () => String(part)));
  }
}

/** What build/functions.json will say. */
export function readGenerated(root: string, parts?: ProfileParts): Generated {
  const files = readdirSync(join(root, 'statemachines')).filter((file) => file.endsWith('.asl.yml'));
  const definitions = files.map((file) => {
    const definition: unknown = parse(readFileSync(join(root, 'statemachines', file), 'utf8'), { merge: true });
    return [file.replace(/\.asl\.yml$/, ''), definition] as const;
  });
  return generate(readFunctions(root).table, new Map(definitions), parts);
}

function inStage(text: string, stage: string | undefined): string {
  return stage === undefined ? text : text.replaceAll(STAGE, stage);
}

/** The framework's variable for the stage, as the files have it. */
export const STAGE = `$\{${'sls:stage'}}`;

function partOf(value: unknown, address: string): unknown {
  let part = value;
  for (const key of address.split('.')) part = Object(part)[key];
  if (part !== undefined) return part;
  throw new Error(`${GENERATED_FILE} has no ${address}: correct the variable that includes it.`);
}
