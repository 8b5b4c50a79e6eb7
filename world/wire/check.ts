import { type Model, membersOf, type Shape, shapeOf } from './model.ts';

/** One rule of the model that an input breaks; the constraint is worded as AWS words it. */
export interface Violation {
  /** Member names, and indexes (from 0) where a list is passed. */
  readonly path: readonly (string | number)[];
  /** What was sent; undefined where a required member is missing. */
  readonly value: unknown;
  readonly constraint: string;
}

/** All rules of the model that `value` breaks: required members, lengths, values, patterns, enums. */
export function violations(model: Model, shapeName: string, value: unknown): Violation[] {
  return visit(model, shapeName, value, []);
}

/** "2 validation errors detected: Value null at 'serverName' failed to satisfy constraint: …; …" */
export function validationSentence(broken: readonly Violation[]): string {
  const details = broken.map(({ path, value, constraint }) => {
    return `Value ${quoted(value)} at '${spelled(path)}' failed to satisfy constraint: ${constraint}`;
  });
  return `${broken.length} validation error${broken.length > 1 ? 's' : ''} detected: ${details.join('; ')}`;
}

function quoted(value: unknown): string {
  if (value === undefined) return 'null';
  if (Array.isArray(value)) return `'[${value.join(', ')}]'`;
  return `'${typeof value === 'object' ? JSON.stringify(value) : value}'`;
}

function spelled(path: Violation['path']): string {
  const steps = path.map((step) => {
    return typeof step === 'number' ? `${step + 1}.member` : step.charAt(0).toLowerCase() + step.slice(1);
  });
  return steps.join('.');
}

function visit(model: Model, shapeName: string, value: unknown, path: Violation['path']): Violation[] {
  const shape = shapeOf(model, shapeName);
  const own = brokenRules(shape, value).map((constraint) => ({ path, value, constraint }));
  if (shape.type === 'structure') return [...own, ...ofMembers(model, shape, value as Record<string, unknown>, path)];
  if (Array.isArray(value)) return [...own, ...ofItems(model, shape.member?.shape ?? '', value, path)];
  if (shape.type === 'map') return [...own, ...ofEntries(model, shape, value as Record<string, unknown>, path)];
  return own;
}

function ofMembers(model: Model, shape: Shape, value: Record<string, unknown>, path: Violation['path']): Violation[] {
  return membersOf(shape).flatMap(([name, reference]) => {
    const at = [...path, name];
    if (value[name] !== undefined) return visit(model, reference.shape, value[name], at);
    return shape.required?.includes(name)
      ? [{ path: at, value: undefined, constraint: 'Member must not be null' }]
      : [];
  });
}

function ofItems(model: Model, shapeName: string, items: unknown[], path: Violation['path']): Violation[] {
  const shape = shapeOf(model, shapeName);
  if (!isScalar(shape)) return items.flatMap((item, index) => visit(model, shapeName, item, [...path, index]));
  return ofScalars(shape, items, items, path, 'Member');
}

function ofEntries(model: Model, shape: Shape, value: Record<string, unknown>, path: Violation['path']): Violation[] {
  const keys = ofScalars(shapeOf(model, shape.key?.shape ?? ''), Object.keys(value), value, path, 'Map keys');
  const valueShape = shape.value?.shape ?? '';
  if (!isScalar(shapeOf(model, valueShape)))
    return [...keys, ...Object.entries(value).flatMap(([key, item]) => visit(model, valueShape, item, [...path, key]))];
  return [...keys, ...ofScalars(shapeOf(model, valueShape), Object.values(value), value, path, 'Map value')];
}

/** AWS reports scalars in a list or a map once, with all rules of the shape, whichever item breaks one. */
function ofScalars(shape: Shape, items: unknown[], value: unknown, path: Violation['path'], who: string): Violation[] {
  if (!items.some((item) => brokenRules(shape, item).length > 0)) return [];
  const rules = rulesOf(shape).map((rule) => rule.sentence);
  return [{ path, value, constraint: `${who} must satisfy constraint: [${rules.join(', ')}]` }];
}

function isScalar(shape: Shape): boolean {
  return shape.type !== 'structure' && shape.type !== 'list' && shape.type !== 'map';
}

function brokenRules(shape: Shape, value: unknown): string[] {
  return rulesOf(shape)
    .filter((rule) => !rule.holds(value))
    .map((rule) => rule.sentence);
}

interface Rule {
  readonly sentence: string;
  readonly holds: (value: unknown) => boolean;
}

const rules = new WeakMap<Shape, Rule[]>();

function rulesOf(shape: Shape): Rule[] {
  const known = rules.get(shape);
  if (known) return known;
  const made = makeRules(shape);
  rules.set(shape, made);
  return made;
}

function makeRules({ type, min, max, pattern, enum: values }: Shape): Rule[] {
  const made: Rule[] = [];
  const what = ['integer', 'long', 'float', 'double'].includes(type) ? 'value' : 'length';
  if (pattern !== undefined) {
    const expression = javaPattern(pattern);
    const holds = (value: unknown) => expression.test(String(value));
    made.push({ sentence: `Member must satisfy regular expression pattern: ${pattern}`, holds });
  }
  if (max !== undefined) {
    made.push({
      sentence: `Member must have ${what} less than or equal to ${max}`,
      holds: (value) => size(value) <= max,
    });
  }
  if (min !== undefined) {
    const holds = (value: unknown) => size(value) >= min;
    made.push({ sentence: `Member must have ${what} greater than or equal to ${min}`, holds });
  }
  if (values !== undefined) {
    const sentence = `Member must satisfy enum value set: [${values.join(', ')}]`;
    made.push({ sentence, holds: (value) => values.includes(String(value)) });
  }
  return made;
}

function size(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'string' || Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return Object.keys(value as object).length;
}

/** The models' patterns are Java's, and match the whole value. */
function javaPattern(pattern: string): RegExp {
  const dotAll = pattern.startsWith('(?s)');
  const source = pattern.replace(/^\(\?s\)/, '').replaceAll('\\p{Alnum}', 'A-Za-z0-9');
  return new RegExp(`^(?:${source})$`, dotAll ? 'su' : 'u');
}
