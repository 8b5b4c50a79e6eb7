import * as z from 'zod';
import type { Path } from '../template/source.ts';

export const Retrier = z.looseObject({ ErrorEquals: z.array(z.string()) });
const Catcher = z.looseObject({ ErrorEquals: z.array(z.string()), Next: z.string() });

const State = z.looseObject({
  Type: z.string(),
  Comment: z.string().optional(),
  Resource: z.string().optional(),
  TimeoutSeconds: z.unknown().optional(),
  Next: z.string().optional(),
  Default: z.string().optional(),
  Choices: z.array(z.looseObject({ Next: z.string() })).default([]),
  Retry: z.array(Retrier).default([]),
  Catch: z.array(Catcher).default([]),
});
export type State = z.infer<typeof State>;

/** A state machine, or the part of one that a Map or a Parallel state runs. */
export const Definition = z.looseObject({ StartAt: z.string().optional(), States: z.record(z.string(), State) });

export interface Scope {
  readonly at: Path;
  readonly States: Record<string, State>;
  readonly StartAt: string | undefined;
}

/** A fault of a state, as the rest of a sentence about it. */
export interface StateFault {
  readonly at: Path;
  readonly name: string;
  readonly fault: string;
}

/** The state machine itself, and what its Map and Parallel states run: no state of one leads into another. */
export function scopesIn(definition: unknown, at: Path): Scope[] {
  const { data } = Definition.safeParse(definition);
  if (!data) return [];
  const below = Object.entries(data.States).flatMap(([name, { ItemProcessor, Iterator: iterator, Branches }]) => {
    const parts = [['ItemProcessor', ItemProcessor] as const, ['Iterator', iterator] as const];
    const branches = Array.isArray(Branches) ? Branches : [];
    return [
      ...parts.flatMap(([key, part]) => scopesIn(part, [...at, 'States', name, key])),
      ...branches.flatMap((part, index) => scopesIn(part, [...at, 'States', name, 'Branches', index])),
    ];
  });
  return [{ at, States: data.States, StartAt: data.StartAt }, ...below];
}

/** A state that a function runs. */
export interface TaskState {
  readonly at: Path;
  readonly name: string;
  readonly resource: string;
  readonly timeoutSeconds: unknown;
}

/** The tasks of a state machine, those within its Map and Parallel states too. */
export function tasksOf(definition: unknown): TaskState[] {
  return scopesIn(definition, []).flatMap(({ at, States }) =>
    Object.entries(States).flatMap(([name, { Type, Resource = '', TimeoutSeconds }]) => {
      return Type === 'Task'
        ? [{ at: [...at, 'States', name], name, resource: Resource, timeoutSeconds: TimeoutSeconds }]
        : [];
    }),
  );
}

export function nextOf(state: State | undefined): string[] {
  return state ? waysOf(state).map(({ next }) => next) : [];
}

/** Where a state leads, and by which of its fields. */
export function waysOf({ Next, Default, Choices, Catch }: State): { next: string; by: Path }[] {
  return [
    ...(Next ? [{ next: Next, by: ['Next'] }] : []),
    ...(Default ? [{ next: Default, by: ['Default'] }] : []),
    ...Choices.map((choice, index) => ({ next: choice.Next, by: ['Choices', index, 'Next'] })),
    ...Catch.map((catcher, index) => ({ next: catcher.Next, by: ['Catch', index, 'Next'] })),
  ];
}
