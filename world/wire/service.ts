import type { ModelledInput, ModelledOutput, OperationName, ServiceName } from './operations.ts';

/**
 * The contract between the loopback port and a double: the port reads, checks and writes the protocol, the double
 * behaves.
 */

export interface RequestContext {
  /** The UUID that the answer bears in `x-amzn-RequestId`. */
  readonly requestId: string;
  /** The Region that the request is signed for; the world's own when it is not signed. */
  readonly region?: string | undefined;
}

/**
 * One operation of a service. Its input has been checked against the service's model and has the API's member names. In
 * its output an instant is a `Date` and a blob a `Uint8Array`. It refuses by throwing a `ServiceError`; any other error
 * is a fault of the double and reaches the client as InternalFailure.
 *
 * Written as a method, so that a double may require the members that the model requires: the SDK's types make every
 * member optional.
 */
export type Operation<Input, Output> = {
  perform(input: Input, context: RequestContext): Output | Promise<Output>;
}['perform'];

/** The operations of one service, by the API's names: every one that its model has, and no other. */
export type Operations<Name extends ServiceName> = {
  readonly [Operated in OperationName<Name>]: Operation<ModelledInput<Name, Operated>, ModelledOutput<Name, Operated>>;
};

/** The double of a service: it serves every operation of the model. */
export interface ServiceOf<Name extends ServiceName> {
  readonly name: Name;
  readonly operations: Operations<Name>;
}

/** Any service behind the port. One of a test may serve only some operations. */
export type Service = {
  [Name in ServiceName]: { readonly name: Name; readonly operations: Partial<Operations<Name>> };
}[ServiceName];

/** An answer that the service refuses with: `code` is the service's own error name, `message` its sentence. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly code: string;
  readonly statusCode: number;

  constructor(code: string, message: string, statusCode = 400) {
    super(message);
    this.code = code;
    this.statusCode = statusCode;
  }
}
