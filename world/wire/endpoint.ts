import type { Hold } from '../kernel/hold.ts';
import type { Answer } from './answer.ts';
import { awsJson } from './json.ts';
import { loadModel } from './model.ts';
import type { ServiceName } from './operations.ts';
import type { Protocol } from './protocol.ts';
import { awsQuery } from './query.ts';
import type { Operation, RequestContext, Service } from './service.ts';

export interface ApiRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** The request's own hold on the clock. */
  readonly hold: Hold;
}

/** A request as it came over HTTP, routed. */
export interface Call extends RequestContext {
  readonly operation: string;
  readonly input: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** One service at the port. */
export interface Endpoint {
  readonly name: ServiceName | 'dynamodb' | 's3';
  readonly protocol: Pick<Protocol, 'refuse' | 'throttling'> & {
    read(operation: string, body: string, request: ApiRequest): unknown;
  };
  /** @throws ServiceError the service's refusal; any other error is the double's own fault */
  perform(call: Call): Promise<Answer>;
}

/** A service whose operations stand in the method and the path, not in a header or in the body. */
export interface RestEndpoint extends Endpoint {
  /** Whether the request is for this service: its signature says so. */
  takes(request: Pick<ApiRequest, 'headers'>): boolean;
  operationOf(request: Pick<ApiRequest, 'method' | 'url'>): string;
}

/** A service's operations by the name that a request has. Which input each takes, its service's model has checked. */
export function operationsOf({ operations }: Service): ReadonlyMap<string, Operation<never, unknown>> {
  return new Map(Object.entries<Operation<never, unknown>>(operations));
}

/** A double behind the protocol that its service's model prescribes. */
export function modelled(service: Service): Endpoint {
  const model = loadModel(service.name);
  const protocol = model.metadata.protocol === 'json' ? awsJson(service.name, model) : awsQuery(model);
  const operations = operationsOf(service);
  const served = [...operations.keys()].join(', ');
  const operationOf = (operation: string) => {
    const perform = operations.get(operation);
    if (perform && Object.hasOwn(model.operations, operation)) return perform;
    const why = `The local world's ${service.name} serves no operation ${operation}, only ${served}.`;
    throw protocol.unknownOperation(operation, why);
  };
  return {
    name: service.name,
    protocol: {
      ...protocol,
      read(operation, body) {
        operationOf(operation);
        return protocol.read(operation, body);
      },
    },
    async perform({ operation, input, requestId, region }) {
      // The model has checked the input: this is where it gets the type that the double declares.
      const output = await operationOf(operation)(input as never, { requestId, region });
      return protocol.answer(operation, output, requestId);
    },
  };
}
