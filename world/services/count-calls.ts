import type { Operation, Service } from '../wire/service.ts';

/** How often each operation was called, refused calls included. */
export type CallCounts = Record<string, number>;

/** The same operations, each call counted in `calls` before it is served. */
export function countCalls(operations: Service['operations'], calls: CallCounts): Service['operations'] {
  const count =
    (name: string, operation: Operation<never, unknown>): Operation<never, unknown> =>
    (input, context) => {
      calls[name] = (calls[name] ?? 0) + 1;
      return operation(input, context);
    };
  return Object.fromEntries(Object.entries(operations).map(([name, operation]) => [name, count(name, operation)]));
}
