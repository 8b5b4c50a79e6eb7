import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import type { Bundle } from '../bundle/bundle.ts';
import type { Permitted } from './permissions.ts';

const Service = z.looseObject({
  functions: z.record(
    z.string(),
    z.looseObject({ name: z.string(), handler: z.string(), role: z.string().optional() }),
  ),
});

const Roles = z.strictObject({
  Resources: z.record(z.string(), z.looseObject({ Type: z.literal('AWS::IAM::Role'), Properties: z.unknown() })),
});

/** The framework's variable for a part of the file that stack/permissions/from-profiles.ts makes. */
const GRANT = /^\$\{file\(build\/from-profiles\.json\):(\w+)\}$/;

/**
 * Reads which function has which role, and what stands in it, without the framework and before it.
 * @param root the folder that serverless.yml stands in
 * @param grants what the profiles say: the content of build/from-profiles.json
 * @throws Error for a function without a role, a role that is not there, and a part of the grants that is not there
 */
export function readRoles(root: string, bundles: readonly Bundle[], grants: object): Permitted[] {
  const service = Service.parse(parse(readFileSync(join(root, 'serverless.yml'), 'utf8')));
  const file = join(root, 'resources/roles.yml');
  const text = readFileSync(file, 'utf8');
  const { Resources } = Roles.parse(filledIn(parse(text, { merge: true }), grants));
  return bundles.map((bundle) => {
    const deployed = Object.values(service.functions).find(
      ({ handler }) => handler === `build/functions/${bundle.name}/index.handler`,
    );
    const role = deployed?.role ?? '';
    const resource = Resources[role];
    if (!deployed || !resource)
      throw new Error(
        `functions/${bundle.name}.ts has no role: give it a role in resources/roles.yml, and name it in serverless.yml.`,
      );
    const where = (part?: string) => `${relative(process.cwd(), file)}:${lineOf(text, role, part)}`;
    return { bundle, functionName: deployed.name, role, where, properties: resource.Properties };
  });
}

/** With the parts of the grants in the place of the variables that name them. */
function filledIn(roles: unknown, grants: object): unknown {
  const parts = new Map<string, unknown>(Object.entries(grants));
  return JSON.parse(JSON.stringify(roles), (_key, value) => {
    const [, part] = typeof value === 'string' ? (GRANT.exec(value) ?? []) : [];
    if (part === undefined) return value;
    if (parts.has(part)) return parts.get(part);
    throw new Error(
      `resources/roles.yml: stack/permissions/from-profiles.ts makes no ${part}: it makes ${[...parts.keys()].join(', ')}.`,
    );
  });
}

/** Where the part stands in the role; where it does not (it came from the profiles), the role's own line. */
function lineOf(text: string, role: string, part?: string): number {
  const lines = text.split('\n');
  const first = lines.indexOf(`  ${role}:`);
  const length = lines.slice(first + 1).findIndex((line) => /^ {0,2}\S/.test(line));
  const own = lines.slice(first, length < 0 ? undefined : first + 1 + length);
  const offset = part === undefined ? 0 : own.findIndex((line) => line.includes(part));
  return first + 1 + Math.max(offset, 0);
}
