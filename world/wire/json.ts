import { jsonAnswer } from './answer.ts';
import { validationSentence, violations } from './check.ts';
import { encode, type Style } from './encode.ts';
import { type Model, membersOf, type Shape, shapeOf } from './model.ts';
import type { ServiceName } from './operations.ts';
import type { Protocol } from './protocol.ts';
import { ServiceError } from './service.ts';

/** AWS JSON 1.0 and 1.1: X-Amz-Target says the operation, timestamps are seconds, errors are named by `__type`. */
export function awsJson(service: ServiceName, model: Model): Protocol {
  const { jsonVersion = '1.1' } = model.metadata;
  const invalid = service === 'lightsail' ? 'InvalidInputException' : 'ValidationException';
  return {
    throttling: { code: 'ThrottlingException', statusCode: 400 },
    read(operation, body) {
      const shapeName = model.operations[operation]?.input;
      const sent = parse(body);
      if (!shapeName) return {};
      const input = decode(model, shapeName, sent);
      const broken = violations(model, shapeName, input);
      if (broken.length > 0) throw new ServiceError(invalid, validationSentence(broken));
      return input;
    },
    answer(operation, output, requestId) {
      const shapeName = model.operations[operation]?.output;
      const body = shapeName && encode(model, shapeName, output ?? {}, style);
      return jsonAnswer(jsonVersion, 200, requestId, body);
    },
    refuse({ code, message, statusCode }, requestId) {
      // OpsWorks CM and parts of Systems Manager spell the member with a capital.
      const key = model.shapes[code]?.members?.Message ? 'Message' : 'message';
      return jsonAnswer(jsonVersion, statusCode, requestId, { __type: code, [key]: message });
    },
    unknownOperation: (_operation, why) => new ServiceError('UnknownOperationException', why),
  };
}

const style: Style = {
  name: (member) => member,
  list: (items) => items,
  timestamp: (value) => value.getTime() / 1000,
};

function parse(body: string): unknown {
  if (body.trim() === '') return {};
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new ServiceError('SerializationException', `The request's body is not JSON: ${(error as Error).message}.`);
  }
}

/** The members that the model knows, with timestamps as `Date` and blobs as `Uint8Array`; others are ignored, as AWS does. */
function decode(model: Model, shapeName: string, sent: unknown): unknown {
  const shape = shapeOf(model, shapeName);
  switch (shape.type) {
    case 'structure':
      return decodeStructure(model, shape, object(sent));
    case 'map': {
      const entries = Object.entries(object(sent)).filter(([, value]) => value !== null);
      return Object.fromEntries(entries.map(([key, value]) => [key, decode(model, shape.value?.shape ?? '', value)]));
    }
    case 'list':
      if (!Array.isArray(sent)) throw serializationError(sent, 'List');
      return sent.map((item) => decode(model, shape.member?.shape ?? '', item));
    default:
      return decodeScalar(shape, sent);
  }
}

function decodeStructure(model: Model, shape: Shape, sent: Record<string, unknown>): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [name, reference] of membersOf(shape)) {
    const value = Object.hasOwn(sent, name) ? sent[name] : undefined;
    if (value !== undefined && value !== null) input[name] = decode(model, reference.shape, value);
  }
  return input;
}

function decodeScalar(shape: Shape, sent: unknown): unknown {
  switch (shape.type) {
    case 'string':
      if (typeof sent === 'string') return sent;
      throw serializationError(sent, 'String');
    case 'boolean':
      if (typeof sent === 'boolean') return sent;
      throw serializationError(sent, 'Boolean');
    case 'blob':
      if (typeof sent === 'string') return new Uint8Array(Buffer.from(sent, 'base64'));
      throw serializationError(sent, 'Blob');
    case 'timestamp': {
      const instant = typeof sent === 'number' ? sent * 1000 : typeof sent === 'string' ? Date.parse(sent) : Number.NaN;
      if (Number.isFinite(instant)) return new Date(instant);
      throw serializationError(sent, 'Timestamp');
    }
    default:
      return decodeNumber(shape, sent);
  }
}

function decodeNumber(shape: Shape, sent: unknown): number {
  const isWhole = shape.type === 'integer' || shape.type === 'long';
  if (typeof sent === 'number' && (!isWhole || Number.isSafeInteger(sent))) return sent;
  throw serializationError(
    sent,
    { integer: 'Integer', long: 'Long', float: 'Float' }[shape.type as string] ?? 'Double',
  );
}

function object(sent: unknown): Record<string, unknown> {
  if (typeof sent === 'object' && sent !== null && !Array.isArray(sent)) return sent as Record<string, unknown>;
  throw serializationError(sent, 'Structure');
}

function serializationError(sent: unknown, expected: string): ServiceError {
  if (Array.isArray(sent)) {
    return new ServiceError('SerializationException', 'Start of list found where not expected');
  }
  if (typeof sent === 'object' && sent !== null) {
    return new ServiceError('SerializationException', 'Start of structure or map found where not expected.');
  }
  const token =
    typeof sent === 'boolean' ? (sent ? 'TRUE_VALUE' : 'FALSE_VALUE') : `${typeof sent}_VALUE`.toUpperCase();
  const found = sent === null ? 'NULL_VALUE' : token;
  return new ServiceError('SerializationException', `${found} can not be converted to ${article(expected)}`);
}

function article(type: string): string {
  return `${/^[AEIOU]/.test(type) ? 'an' : 'a'} ${type}`;
}
