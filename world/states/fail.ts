import { Fault } from './fault.ts';
import type { Path, Scope } from './path.ts';
import type { FailState } from './schema.ts';
import { readField } from './template.ts';

/** The name of an error, and the text beside it. */
export interface Failure {
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
}

/**
 * What a Fail state declares, in so many words or by its paths.
 *
 * @throws Fault when a path names nothing, or no string
 */
export function declaredFailure(state: FailState, scope: Scope): Failure {
  return {
    error: state.ErrorPath ? readText(state.ErrorPath, 'ErrorPath', scope) : state.Error,
    cause: state.CausePath ? readText(state.CausePath, 'CausePath', scope) : state.Cause,
  };
}

function readText(path: Path, field: string, scope: Scope): string {
  const value = readField(path, field, scope);
  if (typeof value === 'string') return value;
  throw new Fault(`The JSONPath '${path.text}' specified for the field '${field}' does not reference a string.`);
}
