import { type Model, membersOf, type Reference, type Shape, shapeOf } from './model.ts';

/** How a protocol writes what JSON and XML write differently. */
export interface Style {
  /** The name of a structure's member on the wire. */
  name(member: string, reference: Reference): string;
  list(items: unknown[], shape: Shape): unknown;
  timestamp(value: Date): unknown;
}

/**
 * A double's output as a tree of wire names and plain values. Throws when the output is not what the model says: a
 * member that the service does not have, or a value of another type, is the double's mistake.
 */
export function encode(model: Model, shapeName: string, value: unknown, style: Style, path = shapeName): unknown {
  const shape = shapeOf(model, shapeName);
  if (shape.type === 'structure') return encodeStructure(model, shape, asObject(value, path), style, path);
  if (shape.type === 'map') return encodeMap(model, shape, asObject(value, path), style, path);
  if (shape.type === 'list') {
    if (!Array.isArray(value)) throw wrongType(path, 'a list', value);
    const items = value.map((item, index) =>
      encode(model, shape.member?.shape ?? '', item, style, `${path}[${index}]`),
    );
    return style.list(items, shape);
  }
  return encodeScalar(shape, value, style, path);
}

function encodeStructure(model: Model, shape: Shape, value: Record<string, unknown>, style: Style, path: string) {
  const encoded: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined || member === null) continue;
    const reference = shape.members?.[name];
    if (!reference) {
      const known = membersOf(shape).map(([other]) => other);
      throw new TypeError(`${path} has no member ${name} in the service's model, only ${known.join(', ')}.`);
    }
    encoded[style.name(name, reference)] = encode(model, reference.shape, member, style, `${path}.${name}`);
  }
  return encoded;
}

function encodeMap(model: Model, shape: Shape, value: Record<string, unknown>, style: Style, path: string) {
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    encode(model, shape.value?.shape ?? '', item, style, `${path}.${key}`),
  ]);
  return Object.fromEntries(entries);
}

function encodeScalar(shape: Shape, value: unknown, style: Style, path: string): unknown {
  switch (shape.type) {
    case 'timestamp':
      if (!(value instanceof Date)) throw wrongType(path, 'a Date', value);
      return style.timestamp(value);
    case 'blob':
      if (!(value instanceof Uint8Array)) throw wrongType(path, 'a Uint8Array', value);
      return Buffer.from(value).toString('base64');
    case 'string':
    case 'boolean':
      if (typeof value !== shape.type) throw wrongType(path, `a ${shape.type}`, value);
      return value;
    default:
      if (typeof value !== 'number') throw wrongType(path, 'a number', value);
      return value;
  }
}

function asObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(path, 'an object', value);
  return value as Record<string, unknown>;
}

function wrongType(path: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${path} must be ${expected} in the service's model, not ${JSON.stringify(value)}.`);
}
