import { Fault } from './fault.ts';
import { isArray, isObject, type Json } from './json.ts';
import { compilePath, MissingPath, type Path, type Scope } from './path.ts';
import { parseTimestamp } from './timestamp.ts';

/**
 * A choice rule, checked when the definition was loaded: does it hold for this data?
 *
 * @throws Fault when a path names nothing (IsPresent alone may ask for what is absent)
 */
export type Rule = (scope: Scope) => boolean;

type Test = (value: Json) => boolean;
type Ordered = string | number | bigint;

const TYPES: Record<string, Test> = {
  Null: (value) => value === null,
  String: (value) => typeof value === 'string',
  Numeric: (value) => typeof value === 'number',
  Boolean: (value) => typeof value === 'boolean',
  Timestamp: (value) => parseTimestamp(value) !== undefined,
};

const ORDERS: Record<string, (left: Ordered, right: Ordered) => boolean> = {
  Equals: (left, right) => left === right,
  LessThan: (left, right) => left < right,
  LessThanEquals: (left, right) => left <= right,
  GreaterThan: (left, right) => left > right,
  GreaterThanEquals: (left, right) => left >= right,
};

const COMPARISON = /^(String|Numeric|Boolean|Timestamp)(Equals|(?:Less|Greater)Than(?:Equals)?)(Path)?$/;

/**
 * Compiles a choice rule, given without its Next.
 *
 * @throws SyntaxError with a sentence for an operator, an operand or a path that is not understood
 */
export function compileRule(rule: Json): Rule {
  if (!isObject(rule)) throw new SyntaxError('A choice rule must be an object.');
  const { Variable: variable, Comment: _comment, ...operators } = rule;
  const names = Object.keys(operators);
  const [operator] = names;
  if (operator === undefined || names.length > 1)
    throw new SyntaxError(`A choice rule has exactly one operator; this one has ${names.join(' and ') || 'none'}.`);
  const operand = operators[operator] as Json;
  if (operator === 'And' || operator === 'Or' || operator === 'Not') {
    if (variable !== undefined) throw new SyntaxError(`'${operator}' takes no Variable.`);
    return operator === 'Not' ? negate(compileRule(operand)) : combine(operator, operand);
  }
  if (typeof variable !== 'string') throw new SyntaxError(`'${operator}' needs a Variable that is a path.`);
  return compileTest(operator, operand, compilePath(variable));
}

function negate(rule: Rule): Rule {
  return (scope) => !rule(scope);
}

function combine(operator: 'And' | 'Or', operand: Json): Rule {
  if (!isArray(operand) || operand.length === 0) throw new SyntaxError(`'${operator}' needs a list of choice rules.`);
  const rules = operand.map(compileRule);
  if (operator === 'And') return (scope) => rules.every((rule) => rule(scope));
  return (scope) => rules.some((rule) => rule(scope));
}

function compileTest(operator: string, operand: Json, variable: Path): Rule {
  if (operator === 'IsPresent') return equals(flag(operator, operand), (scope) => isPresent(variable, scope));
  const type = operator.startsWith('Is') ? TYPES[operator.slice(2)] : undefined;
  if (type) return equals(flag(operator, operand), (scope) => type(read(variable, scope)));
  if (operator === 'StringMatches') {
    const pattern = wildcard(operand);
    return (scope) => matches(read(variable, scope), pattern);
  }
  return compileComparison(operator, operand, variable);
}

/** A value of another type is never equal, nor more, nor less: such a rule does not hold, and is no error. */
function compileComparison(operator: string, operand: Json, variable: Path): Rule {
  const [, type = '', order = '', path] = COMPARISON.exec(operator) ?? [];
  const [is, holds] = [TYPES[type], ORDERS[order]];
  if (!is || !holds || (type === 'Boolean' && order !== 'Equals'))
    throw new SyntaxError(`'${operator}' is no operator of a choice rule.`);
  const key = (value: Json) => (type === 'Timestamp' ? parseTimestamp(value) : value) as Ordered;
  const compare = (left: Json, right: Json) => is(left) && is(right) && holds(key(left), key(right));
  if (path) {
    if (typeof operand !== 'string') throw new SyntaxError(`'${operator}' needs a path.`);
    const other = compilePath(operand);
    return (scope) => compare(read(variable, scope), read(other, scope));
  }
  if (!is(operand)) throw new SyntaxError(`'${operator}' cannot be compared with ${JSON.stringify(operand)}.`);
  return (scope) => compare(read(variable, scope), operand);
}

function equals(wanted: boolean, rule: Rule): Rule {
  return (scope) => rule(scope) === wanted;
}

function flag(operator: string, operand: Json): boolean {
  if (typeof operand !== 'boolean') throw new SyntaxError(`'${operator}' must be true or false.`);
  return operand;
}

function isPresent(variable: Path, scope: Scope): boolean {
  try {
    variable.read(scope);
    return true;
  } catch (error) {
    if (error instanceof MissingPath) return false;
    throw error;
  }
}

function read(path: Path, scope: Scope): Json {
  try {
    return path.read(scope);
  } catch (error) {
    if (!(error instanceof MissingPath)) throw error;
    const reason = "The choice state's condition path references an invalid value.";
    throw new Fault(`Invalid path '${path.text}': ${reason}`);
  }
}

/** `*` stands for any text; `\*` is a star and `\\` a backslash. */
function wildcard(operand: Json): RegExp {
  if (typeof operand !== 'string') throw new SyntaxError("'StringMatches' needs a string.");
  const source = operand.replace(/\\[*\\]|[\s\S]/g, (part) => (part === '*' ? '.*' : RegExp.escape(part.slice(-1))));
  return new RegExp(`^${source}$`, 's');
}

function matches(value: Json, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}
