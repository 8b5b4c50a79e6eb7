import { type Violation, validationSentence } from './check.ts';
import type { Style } from './encode.ts';
import type { Reference } from './model.ts';
import type { Protocol } from './protocol.ts';
import { ServiceError } from './service.ts';

/** What Auto Scaling and EC2 do differently. */
export interface Dialect {
  readonly throttling: Protocol['throttling'];
  readonly style: Style;
  /** The name of a request's parameter. */
  parameter(member: string, reference: Reference): string;
  /** Between a list's name and its items' numbers stands this word. */
  readonly listWord: string | undefined;
  readonly refusesUnknown: boolean;
  invalid(broken: readonly Violation[]): ServiceError;
  unreadable(parameter: string, value: string): ServiceError;
  body(result: object, wrapper: string | undefined, requestId: string): object;
  error(code: string, error: ServiceError, requestId: string): Record<string, unknown>;
}

const capitalised = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);
const timestamp = (value: Date) => value.toISOString();
const name = (member: string, reference: Reference) => reference.locationName ?? member;

export const query: Dialect = {
  throttling: { code: 'Throttling', statusCode: 400 },
  style: { name, list: (items, shape) => ({ [shape.member?.locationName ?? 'member']: items }), timestamp },
  parameter: name,
  listWord: 'member',
  refusesUnknown: false,
  invalid: (broken) => new ServiceError('ValidationError', validationSentence(broken)),
  unreadable: (parameter, value) =>
    new ServiceError('MalformedInput', `The value '${value}' of the parameter ${parameter} cannot be read.`),
  body: (result, wrapper, requestId) => ({
    ...(wrapper && { [wrapper]: result }),
    ResponseMetadata: { RequestId: requestId },
  }),
  error: (code, { message, statusCode }, requestId) => ({
    ErrorResponse: {
      Error: { Type: statusCode < 500 ? 'Sender' : 'Receiver', Code: code, Message: message },
      RequestId: requestId,
    },
  }),
};

export const ec2: Dialect = {
  throttling: { code: 'RequestLimitExceeded', statusCode: 503 },
  style: { name, list: (items, shape) => ({ [shape.member?.locationName ?? 'item']: items }), timestamp },
  parameter: (member, reference) => reference.queryName ?? capitalised(reference.locationName ?? member),
  listWord: undefined,
  refusesUnknown: true,
  invalid: ([broken]) => {
    const at = (broken?.path ?? []).map((step) => (typeof step === 'number' ? step + 1 : step)).join('.');
    if (broken?.value === undefined) {
      return new ServiceError('MissingParameter', `The request must contain the parameter ${at}`);
    }
    const sentence = `Value (${broken.value}) for parameter ${at} is invalid. ${broken.constraint}`;
    return new ServiceError('InvalidParameterValue', sentence);
  },
  unreadable: (parameter, value) =>
    new ServiceError('InvalidParameterValue', `Value (${value}) for parameter ${parameter} is invalid.`),
  body: (result, _wrapper, requestId) => ({ requestId, ...result }),
  error: (code, { message }, requestId) => ({
    Response: { Errors: { Error: { Code: code, Message: message } }, RequestID: requestId },
  }),
};
