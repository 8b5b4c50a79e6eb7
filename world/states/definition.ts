import type * as z from 'zod';
import { type State, type StateMachineDefinition, stateMachine } from './schema.ts';

export type { StateMachineDefinition } from './schema.ts';

/** A definition says what is not spoken here, or contradicts itself. The message names state and field. */
export class UnsupportedDefinition extends Error {
  override readonly name = 'UnsupportedDefinition';
}

const parsedBefore = new WeakMap<object, StateMachineDefinition>();

/**
 * An object that was parsed before is not parsed again: worlds share their definitions, which are large.
 * @param definition the JSON of a state machine (parsed); nothing may change it, before or after
 * @throws UnsupportedDefinition for everything that would otherwise be ignored or misunderstood
 */
export function parseDefinition(definition: unknown): StateMachineDefinition {
  if (typeof definition !== 'object' || definition === null) return parse(definition);
  const parsed = parsedBefore.get(definition) ?? parse(definition);
  parsedBefore.set(definition, parsed);
  return parsed;
}

function parse(definition: unknown): StateMachineDefinition {
  const parsed = stateMachine.safeParse(definition);
  if (!parsed.success) throw new UnsupportedDefinition(parsed.error.issues.map(sentence).join(' '));
  checkTransitions(parsed.data);
  return parsed.data;
}

function sentence(issue: z.core.$ZodIssue): string {
  const [first, name, ...field] = issue.path;
  const isState = first === 'States' && name !== undefined;
  const where = isState ? `State '${String(name)}'` : 'The state machine';
  const place = (isState ? field : issue.path).join('.');
  return `${where}${place && `, field ${place}`}: ${issue.message.replace(/\.?$/, '.')}`;
}

function checkTransitions(definition: StateMachineDefinition): void {
  const reached = new Set<string>();
  const visit = (target: string, from: string): void => {
    const next = Object.hasOwn(definition.States, target) ? definition.States[target] : undefined;
    if (!next) throw new UnsupportedDefinition(`${from} leads to '${target}', which is no state.`);
    if (reached.has(target)) return;
    reached.add(target);
    for (const name of successors(next)) visit(name, `State '${target}'`);
  };
  visit(definition.StartAt, 'StartAt');
  const lost = Object.keys(definition.States).filter((name) => !reached.has(name));
  if (lost.length > 0)
    throw new UnsupportedDefinition(`No transition leads to ${lost.map((n) => `'${n}'`).join(', ')}.`);
}

function successors(from: State): string[] {
  const targets = 'Next' in from && from.Next ? [from.Next] : [];
  if (from.Type === 'Task') targets.push(...from.Catch.map((handler) => handler.Next));
  if (from.Type === 'Choice')
    targets.push(...from.Choices.map((rule) => rule.Next), ...(from.Default ? [from.Default] : []));
  return targets;
}
