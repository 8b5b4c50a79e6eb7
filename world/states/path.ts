import { JSONPath } from 'jsonpath-plus';
import { compileFilter, type Filter } from './filter.ts';
import { isArray, isObject, type Json } from './json.ts';

/** What a path reads: `$` is the state's data, `$$` the context object. */
export interface Scope {
  readonly data: Json;
  readonly context: Json;
}

/** A path that was checked when the definition was loaded. */
export interface Path {
  readonly text: string;
  /**
   * The value that a definite path names, or all that an indefinite one selects, as an array.
   *
   * @throws MissingPath when a definite path names nothing
   */
  read(scope: Scope): Json;
}

/** A path that names one place, and can therefore be written to. */
export interface ReferencePath {
  readonly text: string;
  /**
   * A copy of `data` with `value` at the place; what is not on the way there is shared, and missing objects are made.
   *
   * @throws MissingPath when something on the way is not an object, or an index is out of the array
   */
  write(data: Json, value: Json): Json;
}

/** A definite path led nowhere. The message is the second half of the service's sentence. */
export class MissingPath extends Error {
  override readonly name = 'MissingPath';
}

type Step = string | number;

const NAME = String.raw`[^\s.[\]()'"*?@,:^~]+`;
const DEFINITE_STEP = new RegExp(String.raw`\.(${NAME})|\['([^']+)'\]|\["([^"]+)"\]|\[(-?\d+)\]`, 'y');

const FILTER = /\?\(([^()]+)\)/g;
const BRACKETED = [/'[^',]+'/, /"[^",]+"/, /\*/, /-?\d+(?:,\d+)*/, /-?\d*:-?\d*/, FILTER].map(({ source }) => source);
const INDEFINITE = new RegExp(String.raw`^\$(\.{1,2}(${NAME}|\*)|(\.\.)?\[(${BRACKETED.join('|')})\])+$`);

/**
 * @param text a path such as `$.a.b[0]`, `$$.Execution.Id`, `$.a[*].b`
 * @throws SyntaxError with a sentence, for what is no path or is not spoken here
 */
export function compilePath(text: string): Path {
  const fromContext = text.startsWith('$$');
  const rest = fromContext ? text.slice(1) : text;
  const pick = (scope: Scope) => (fromContext ? scope.context : scope.data);
  const steps = definiteSteps(rest);
  if (steps) return { text, read: (scope) => follow(pick(scope), steps) };
  const select = compileSelection(rest);
  return { text, read: (scope) => select(pick(scope)) };
}

/** @throws SyntaxError when `text` is not a path to one place in the state's data */
export function compileReferencePath(text: string): ReferencePath {
  const steps = definiteSteps(text);
  if (!steps) throw new SyntaxError(`'${text}' is not a reference path such as $.result.`);
  return { text, write: (data, value) => replace(data, steps, value) };
}

function definiteSteps(text: string): Step[] | undefined {
  if (!text.startsWith('$')) return undefined;
  const steps: Step[] = [];
  DEFINITE_STEP.lastIndex = 1;
  while (DEFINITE_STEP.lastIndex < text.length) {
    const match = DEFINITE_STEP.exec(text);
    if (!match) return undefined;
    steps.push(match[4] === undefined ? ((match[1] ?? match[2] ?? match[3]) as string) : Number(match[4]));
  }
  return steps;
}

function follow(data: Json, steps: readonly Step[]): Json {
  let value: Json = data;
  for (const [position, step] of steps.entries()) {
    const next = child(value, step);
    if (next === undefined) throw new MissingPath(missing(steps, position));
    value = next;
  }
  return value;
}

function child(value: Json, step: Step): Json | undefined {
  if (typeof step === 'number') return isArray(value) ? value.at(step) : undefined;
  return isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
}

/** The words of the path library that the service itself uses. */
function missing(steps: readonly Step[], position: number): string {
  const place = steps.slice(0, position + 1).map((step) => (typeof step === 'number' ? `[${step}]` : `['${step}']`));
  const last = position === steps.length - 1;
  return last ? `No results for path: $${place.join('')}` : `Missing property in path $${place.join('')}`;
}

function replace(data: Json, steps: readonly Step[], value: Json): Json {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (typeof step === 'number') {
    const index = isArray(data) && step < 0 ? data.length + step : step;
    if (!isArray(data) || data[index] === undefined) throw new MissingPath(`There is no element [${step}].`);
    return data.with(index, replace(data[index], rest, value));
  }
  if (!isObject(data)) throw new MissingPath(`There is no object to take the field '${step}'.`);
  const inner = Object.hasOwn(data, step) ? (data[step] as Json) : {};
  return { ...data, [step]: replace(inner, rest, value) };
}

function compileSelection(path: string): (data: Json) => Json {
  if (!INDEFINITE.test(path)) throw new SyntaxError(`'${path}' is not a path that is understood here.`);
  const filters = new Map<string, Filter>();
  for (const [, code = ''] of path.matchAll(FILTER)) filters.set(inLibrary(code), compileFilter(code));
  const evaluate = (code: string, { _$_v }: { _$_v: Json }) => filters.get(code)?.(_$_v);
  return (json) => JSONPath({ path, json: json as object, wrap: true, eval: evaluate as never }) ?? [];
}

/** A filter's code as the library hands it to its evaluator. */
function inLibrary(code: string): string {
  return code.replaceAll('@.', '_$_v.');
}
