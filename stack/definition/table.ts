import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { nearest } from '../../lib/wording.ts';
import { FUNCTIONS_FILE, readFunctions } from '../../resources/functions.ts';

/**
 * Compares the table of functions with functions/, with statemachines/ and with what the profiles make.
 * @param parts of what the profiles make: the names behind `profiles.`
 * @returns one sentence for each fault: file, line and what to do
 */
export function faultsOfTable(root: string, functions: readonly string[], parts: readonly string[]): string[] {
  const { table, yaml } = readFunctions(root);
  const missing = functions.filter((name) => !Object.hasOwn(table, name));
  return [
    ...missing.map((name) => `${FUNCTIONS_FILE}: functions/${name}.ts has no entry: add "${name}:" with its grants.`),
    ...Object.entries(table).flatMap(([name, { grants, policies }]) => {
      const targets = grants.flatMap(({ on }, index) => on.map((target) => ({ target, at: [name, 'grants', index] })));
      const further = Object.entries(policies).map(([key, target]) => ({ target, at: [name, 'policies', key] }));
      const wrong = [...targets, ...further].flatMap(({ target, at }) => {
        const fault = targetFault(root, target, parts);
        return fault ? [`${yaml.placeOf(at)}: ${name} is granted "${target}", ${fault}.`] : [];
      });
      if (functions.includes(name)) return wrong;
      const meant = nearest(name, missing);
      const how = meant ? `write ${meant}` : 'add the file, or remove the entry';
      return [`${yaml.placeOf([name])}: there is no functions/${name}.ts: ${how}.`, ...wrong];
    }),
  ];
}

function targetFault(root: string, target: string, parts: readonly string[]): string | undefined {
  const [, part] = /^profiles\.(\w+)$/.exec(target) ?? [];
  if (part !== undefined && !parts.includes(part))
    return `which the profiles do not make: write one of ${parts.join(', ')}`;
  const [, machine] = /^(?:state machine|executions of) (.+)$/.exec(target) ?? [];
  if (machine === undefined || existsSync(join(root, `statemachines/${machine}.asl.yml`))) return undefined;
  return `and there is no statemachines/${machine}.asl.yml: correct the name`;
}
