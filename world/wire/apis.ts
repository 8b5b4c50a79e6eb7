import type { Clock } from '../kernel/clock.ts';
import { type Hold, waitWithout } from '../kernel/hold.ts';
import type { Random } from '../kernel/random.ts';
import { uuid } from '../kernel/uuid.ts';
import { dynamoDb } from '../services/dynamodb.ts';
import { type Answer, jsonAnswer, xmlAnswer } from './answer.ts';
import { type ApiRequest, type Call, type Endpoint, modelled, type RestEndpoint } from './endpoint.ts';
import { DROPPED, type Faults, refusalOf } from './faults.ts';
import { loadModel } from './model.ts';
import { query } from './query-dialects.ts';
import { type Service, ServiceError } from './service.ts';

/** The header by which a call says from which Lambda invocation it comes: `LambdaHost` sets it on its handlers' calls. */
export const INVOCATION_HEADER = 'x-muster-invocation';

/** One API call, as it ended. */
export interface ApiCall {
  readonly service: Endpoint['name'];
  readonly operation: string;
  readonly input: unknown;
  /** Why it was refused, or dropped. */
  readonly error?: { readonly code: string; readonly message: string };
  /** World time, in milliseconds since the epoch. */
  readonly instant: number;
  /** The Lambda invocation that called, when one did. */
  readonly invocationId?: string;
}

export interface ApisOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly services: readonly Service[];
  /** The services that are called by path. */
  readonly rest?: readonly RestEndpoint[];
  readonly faults: Faults;
  /** The hold of a Lambda invocation that is in flight. */
  readonly holdOf?: (invocationId: string) => Hold | undefined;
  readonly onCall?: (call: ApiCall) => void;
}

/** Every AWS API of one world: finds the service, lets faults have their way, performs, answers in the protocol. */
export class Apis {
  /** How often each operation was called, by `service.Operation`: refused and dropped calls too. */
  readonly calls = new Map<string, number>();
  readonly #options: ApisOptions;
  readonly #byTarget = new Map<string, Endpoint>();
  readonly #byVersion = new Map<string, Endpoint>();

  constructor(options: ApisOptions) {
    this.#options = options;
    this.#byTarget.set('DynamoDB_20120810', dynamoDb());
    for (const service of options.services) {
      const { targetPrefix, apiVersion } = loadModel(service.name).metadata;
      if (targetPrefix) this.#byTarget.set(targetPrefix, modelled(service));
      else this.#byVersion.set(apiVersion, modelled(service));
    }
  }

  /** The answer, or undefined when the connection is to be closed without one. */
  async handle(request: ApiRequest): Promise<Answer | undefined> {
    const { endpoint, operation } = this.#route(request);
    const requestId = uuid(this.#options.random);
    if (!endpoint) return unrouted(request, operation, requestId);
    const name = `${endpoint.name}.${operation}`;
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
    const call: RoutedCall = { ...request, operation, requestId, input: undefined, region: signedFor(request) };
    const outcome = await this.#outcome(endpoint, call);
    this.#report(endpoint, call, outcome);
    if (outcome === DROPPED) return undefined;
    return outcome instanceof ServiceError ? endpoint.protocol.refuse(outcome, requestId) : outcome;
  }

  /** The endpoint that takes a request by its path, if there is one: all others take `POST /`. */
  restFor(request: Pick<ApiRequest, 'headers'>): RestEndpoint | undefined {
    return this.#options.rest?.find((endpoint) => endpoint.takes(request));
  }

  #route(request: ApiRequest): { endpoint: Endpoint | undefined; operation: string } {
    const { headers, body } = request;
    const rest = this.restFor(request);
    if (rest) return { endpoint: rest, operation: rest.operationOf(request) };
    const target = single(headers['x-amz-target']);
    if (target !== undefined) {
      const [prefix = '', operation = ''] = target.split('.');
      return { endpoint: this.#byTarget.get(prefix), operation };
    }
    const form = new URLSearchParams(body);
    return { endpoint: this.#byVersion.get(form.get('Version') ?? ''), operation: form.get('Action') ?? '' };
  }

  async #outcome(endpoint: Endpoint, call: RoutedCall): Promise<Answer | ServiceError> {
    try {
      call.input = endpoint.protocol.read(call.operation, call.body, call);
      return await this.#meetFaults(endpoint, call);
    } catch (error) {
      return error instanceof ServiceError ? error : failure(error);
    }
  }

  async #meetFaults(endpoint: Endpoint, call: RoutedCall): Promise<Answer> {
    const fault = this.#options.faults.take(endpoint.name, call.operation, call.input);
    if (fault?.delaySeconds !== undefined) await this.#delay(call, fault.delaySeconds);
    const refusal = fault && refusalOf(fault, call.operation, endpoint.protocol.throttling);
    if (refusal && !fault.after) throw refusal;
    const answer = await endpoint.perform(call);
    if (refusal) throw refusal;
    return answer;
  }

  async #delay({ hold, headers }: RoutedCall, seconds: number): Promise<void> {
    const caller = this.#options.holdOf?.(single(headers[INVOCATION_HEADER]) ?? '');
    await waitWithout(caller ? [hold, caller] : [hold], this.#options.clock, seconds * 1000);
  }

  #report(endpoint: Endpoint, { operation, input, headers }: RoutedCall, outcome: Answer | ServiceError): void {
    const error = outcome instanceof ServiceError ? outcome : refusalIn(outcome);
    const invocationId = single(headers[INVOCATION_HEADER]);
    this.#options.onCall?.({
      service: endpoint.name,
      operation,
      input,
      instant: this.#options.clock.now(),
      ...(error && { error: { code: error.code, message: error.message } }),
      ...(invocationId && { invocationId }),
    });
  }
}

interface RoutedCall extends Omit<Call, 'input'>, ApiRequest {
  /** Undefined until the request has been read, and for ever when it could not be. */
  input: unknown;
}

/** `… Credential=KEY/20310506/eu-west-1/ec2/aws4_request, …`: nothing checks the signature, but a Region is its own world. */
function signedFor({ headers }: ApiRequest): string | undefined {
  return /Credential=[^/]+\/\d{8}\/([^/]+)\//.exec(single(headers.authorization) ?? '')?.[1];
}

const single = (header: string | string[] | undefined) => (Array.isArray(header) ? header[0] : header);

function failure(error: unknown): ServiceError {
  return new ServiceError(
    'InternalFailure',
    `The double failed: ${error instanceof Error ? error.message : error}`,
    500,
  );
}

/** dynalite refuses by an answer of its own, where a double throws. */
function refusalIn({ statusCode, body }: Answer): ServiceError | undefined {
  if (statusCode < 400) return undefined;
  const { __type = 'Unknown', message = '' } = JSON.parse(body || '{}') as { __type?: string; message?: string };
  return new ServiceError(__type.split('#').at(-1) ?? __type, message, statusCode);
}

function unrouted({ headers }: ApiRequest, operation: string, requestId: string): Answer {
  const what = operation === '' ? 'this request belongs' : `${operation} belongs`;
  const sentence = `The local world plays no AWS service to which ${what}: neither X-Amz-Target nor Version names one.`;
  if (headers['x-amz-target'] !== undefined) {
    return jsonAnswer('1.1', 400, requestId, { __type: 'UnknownOperationException', message: sentence });
  }
  const error = new ServiceError('InvalidAction', sentence);
  return xmlAnswer(error.statusCode, requestId, query.error(error.code, error, requestId));
}
