import { isObject, type Json } from './json.ts';

/** Whether an element is selected by `[?(…)]`. */
export type Filter = (element: Json) => boolean;

type Comparison = (left: Json, right: Json) => boolean;

const TEST = /^@((?:\.\w+)+)(?:\s*(==|!=|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?|'[^'&|]*'|true|false|null))?$/;

// Values of two types are never equal and never in order: the path library that the service uses coerces nothing.
const COMPARISONS: Record<string, Comparison> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': ordered((left, right) => left < right),
  '<=': ordered((left, right) => left <= right),
  '>': ordered((left, right) => left > right),
  '>=': ordered((left, right) => left >= right),
};

/**
 * Compiles what stands between `?(` and `)`: tests such as `@.status == 0` or `@.name`, joined by `&&` and `||`.
 *
 * @throws SyntaxError for anything else that a filter could say
 */
export function compileFilter(code: string): Filter {
  const alternatives = code.split('||').map((all) => all.split('&&').map((test) => compileTest(test.trim())));
  return (element) => alternatives.some((tests) => tests.every((test) => test(element)));
}

function compileTest(text: string): Filter {
  const match = TEST.exec(text);
  if (!match) throw new SyntaxError(`The filter '${text}' is not one that is understood here.`);
  const [, names = '', operator, literal = ''] = match;
  const fields = names.slice(1).split('.');
  if (!operator) return (element) => field(element, fields) !== undefined;
  const compare = COMPARISONS[operator] as Comparison;
  const right = JSON.parse(literal.startsWith("'") ? JSON.stringify(literal.slice(1, -1)) : literal) as Json;
  return (element) => {
    const left = field(element, fields);
    return left === undefined ? operator === '!=' : compare(left, right);
  };
}

function field(element: Json, names: readonly string[]): Json | undefined {
  let value: Json | undefined = element;
  for (const name of names) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}

function ordered(compare: (left: number | string, right: number | string) => boolean): Comparison {
  return (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return compare(left, right);
    return typeof left === 'string' && typeof right === 'string' && compare(left, right);
  };
}
