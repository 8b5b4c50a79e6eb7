import { Fault } from './fault.ts';
import { exceedsLimit, type Json } from './json.ts';
import { MissingPath, type Path, type ReferencePath, type Scope } from './path.ts';
import type { Template } from './template.ts';

/**
 * How data pass through a state:
 *
 *   state input ── InputPath ── Parameters ──> work ── ResultSelector ── ResultPath ── OutputPath ──> state output
 *        └──────────────────────────────────────────────────────────────────┘
 *
 * A path that is null stands for an empty object (ResultPath: for the state's input as it came).
 */
export interface DataFlow {
  readonly InputPath?: Path | null | undefined;
  readonly Parameters?: Template | undefined;
  readonly ResultSelector?: Template | undefined;
  readonly ResultPath?: ReferencePath | null | undefined;
  readonly OutputPath?: Path | null | undefined;
}

/** What the state works on. */
export function workInput(state: DataFlow, scope: Scope): Json {
  const data = throughPath(state.InputPath, scope);
  return state.Parameters ? state.Parameters({ ...scope, data }) : data;
}

/** What the state gives on. */
export function stateOutput(state: DataFlow, scope: Scope, result: Json): Json {
  const selected = state.ResultSelector ? state.ResultSelector({ ...scope, data: result }) : result;
  const combined = combine(state.ResultPath, scope.data, selected);
  return throughPath(state.OutputPath, { ...scope, data: combined });
}

/** Puts a result where ResultPath wants it in the state's input. */
export function combine(resultPath: ReferencePath | null | undefined, input: Json, result: Json): Json {
  if (resultPath === undefined) return result;
  if (resultPath === null) return input;
  try {
    return resultPath.write(input, result);
  } catch (error) {
    if (!(error instanceof MissingPath)) throw error;
    const where = `Unable to apply ReferencePath ${resultPath.text} to input ${JSON.stringify(input)}`;
    throw new Fault(`${where}: ${error.message}`, 'States.ResultPathMatchFailure');
  }
}

/**
 * @param place the state, or the ARN of what it called
 * @returns `value`'s JSON text
 * @throws Fault States.DataLimitExceeded
 */
export function withinLimit(value: Json, place: string): string {
  const text = JSON.stringify(value);
  if (exceedsLimit(text)) throw new Fault(dataLimitExceeded(place), 'States.DataLimitExceeded');
  return text;
}

export function dataLimitExceeded(place: string): string {
  return `The state/task '${place}' returned a result with a size exceeding the maximum number of bytes service limit.`;
}

function throughPath(path: Path | null | undefined, scope: Scope): Json {
  if (path === undefined) return scope.data;
  if (path === null) return {};
  try {
    return path.read(scope);
  } catch (error) {
    if (!(error instanceof MissingPath)) throw error;
    throw new Fault(`Invalid path '${path.text}' : ${error.message}`);
  }
}
