/**
 * The contract between the loopback port and a double: the port reads, checks and writes the protocol, the double
 * behaves.
 */

/** The services that are called by a model of their operations: models/. */
export const SERVICES = [
  'opsworks',
  'opsworks-cm',
  'lightsail',
  'ec2',
  'autoscaling',
  'ssm',
  'secretsmanager',
  'states',
  'events',
  'cloudwatch',
] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface RequestContext {
  /** The UUID that the answer bears in `x-amzn-RequestId`. */
  readonly requestId: string;
  /** The Region that the request is signed for; the world's own when it is not signed. */
  readonly region?: string | undefined;
}

/**
 * One operation of a service. Its input has been checked against the service's model and bears the API's own member
 * names. In its output an instant is a `Date` and a blob a `Uint8Array`. To refuse, it throws a `ServiceError`; any
 * other error is a fault of the double and reaches the client as InternalFailure.
 */
export type Operation<Input, Output> = (input: Input, context: RequestContext) => Output | Promise<Output>;

export interface Service {
  readonly name: ServiceName;
  /** Keyed by the API's operation names. */
  readonly operations: Record<string, Operation<never, unknown>>;
}

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
