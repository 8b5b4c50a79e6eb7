import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import validate from 'asl-validator';
import { openYaml } from '../../lib/yaml-file.ts';
import { type Fault, render, type Where } from '../template/source.ts';
import { nameFaults } from './errors.ts';
import { Definition, type Scope, type StateFault, scopesIn, waysOf } from './scopes.ts';
import { stateFaults } from './states.ts';

/**
 * Holds all of statemachines/ against the language and against our habits.
 * @param root the folder of statemachines/
 * @param functions names of the files in functions/, without extension
 * @returns one sentence for each fault: file, line and what to do
 */
export function faultsOfStateMachines(root: string, functions: readonly string[]): string[] {
  return readdirSync(join(root, 'statemachines')).flatMap((name) => {
    const file = `statemachines/${name}`;
    const { content, placeOf } = openYaml(join(root, file), file);
    return faultsOfDefinition(content() as object, functions, placeOf);
  });
}

/**
 * Holds a state machine against the language and against our habits.
 * @param definition in the Amazon States Language, each function's `Resource` as `${NameFunctionArn}`; it is not changed
 * @param functions names of the files in functions/, without extension
 * @returns one sentence for each fault
 */
export function faultsOfDefinition(
  definition: object,
  functions: readonly string[],
  where: Where = () => undefined,
): string[] {
  const scopes = scopesIn(definition, []);
  const lost = [...scopes.flatMap(lostStarts), ...once(scopes.flatMap(lostTargets), where)];
  if (lost.length > 0) return render(lost, where);
  // An unknown name makes other faults, and is the one to be mended.
  const misspelt = once(scopes.flatMap(nameFaults), where);
  if (misspelt.length > 0) return render(misspelt, where);
  // Before the language, which says less about the same.
  const own = once(
    scopes.flatMap((scope) => stateFaults(scope, functions)),
    where,
  );
  if (own.length > 0) return render(own, where);
  return render(languageFaults(definition), where);
}

function languageFaults(definition: object): Fault[] {
  const invalid = validate(structuredClone(definition)).errors.map(({ Message, schemaError }) => {
    const reason = Message ?? `${schemaError?.instancePath}: ${schemaError?.message}`;
    return { at: schemaError?.instancePath.split('/').slice(1) ?? [], reason };
  });
  const { error } = Definition.safeParse(definition);
  const unread = error?.issues.map(({ path, message }) => ({ at: path.map(String), reason: message })) ?? [];
  return (invalid.length > 0 ? invalid : unread).map(({ at, reason }) => {
    return { at, says: `It is not Amazon States Language: ${reason}.` };
  });
}

function lostStarts({ at, States, StartAt }: Scope): Fault[] {
  if (StartAt === undefined || Object.hasOwn(States, StartAt)) return [];
  return [{ at: [...at, 'StartAt'], says: `It starts at ${StartAt}, which is no state: correct the name.` }];
}

function lostTargets({ at, States }: Scope): StateFault[] {
  return Object.entries(States).flatMap(([name, state]) => {
    const lost = waysOf(state).filter(({ next }) => !Object.hasOwn(States, next));
    return lost.map(({ next, by }) => {
      const fault = `leads to ${next}, which is no state: correct the name, or add the state`;
      return { at: [...at, 'States', name, ...by], name, fault };
    });
  });
}

/** A fault of an anchor that several states share is reported for the first of them. */
function once(faults: readonly StateFault[], where: Where): Fault[] {
  const first = new Map<string, Fault>();
  for (const { at, name, fault } of faults) {
    const key = `${where(at) ?? name}: ${fault}`;
    if (!first.has(key)) first.set(key, { at, says: `State ${name} ${fault}.` });
  }
  return [...first.values()];
}
