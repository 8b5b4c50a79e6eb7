import type {
  AssociateNodeCommandInput,
  AssociateNodeResponse,
  DescribeNodeAssociationStatusCommandInput,
  DescribeNodeAssociationStatusResponse,
  DescribeServersCommandInput,
  DescribeServersResponse,
  DisassociateNodeCommandInput,
  DisassociateNodeResponse,
  NodeAssociationStatus,
  ServerStatus,
} from '@aws-sdk/client-opsworkscm';
import type { Clock } from '../../kernel/clock.ts';
import { type Range, secondsWithin } from '../../kernel/duration.ts';
import type { Random } from '../../kernel/random.ts';
import { type Rate, TokenBucket } from '../../kernel/token-bucket.ts';
import { uuid } from '../../kernel/uuid.ts';
import { type Operation, ServiceError, type ServiceOf } from '../../wire/service.ts';
import { pageBySerial } from '../paging/serial-page.ts';
import { readNodeKey, readOrganization } from './attributes.ts';
import { type Association, ConfigurationServer, type ServerSpecification } from './server.ts';

/** "Five requests per second with a burst of 10" for all API operations together, says the API reference. */
const PUBLISHED_RATE: Rate = { perSecond: 5, burst: 10 };
const PAGE_SIZE = 100;
/** A token is known for so long after its request ended: the reference says "recent" and no more. */
const TOKEN_LIFE_MS = 24 * 3600 * 1000;

export interface OpsWorksCmOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly servers: readonly ServerSpecification[];
  /** The published rate when left out; false: no limit. */
  readonly rate?: Rate | false;
  /** How long an association or disassociation is IN_PROGRESS; 20 to 40 s when left out. */
  readonly associationSeconds?: number | Range;
}

interface OpsWorksCmSnapshot {
  readonly servers: Record<string, { status: ServerStatus; associations: readonly Association[] }>;
  /** Calls that were refused for the rate. */
  readonly throttled: number;
}

/** An association or disassociation under way, as its token names it. */
interface PendingRequest {
  readonly server: ConfigurationServer;
  /** Whose certificate a successful request answers with; undefined for a disassociation. */
  readonly certifies: string | undefined;
  status: NodeAssociationStatus;
  endedAt: number | undefined;
}

/**
 * OpsWorks CM with its Chef and Puppet servers: associate, disassociate, describe, at the service's published rate.
 * https://docs.aws.amazon.com/opsworks-cm/latest/APIReference/
 *
 * Disassociating a node that is not associated ends in SUCCESS here; the reference is silent about it.
 */
export class OpsWorksCm {
  readonly service: ServiceOf<'opsworks-cm'>;
  readonly #options: OpsWorksCmOptions;
  readonly #servers: ReadonlyMap<string, ConfigurationServer>;
  readonly #requests = new Map<string, PendingRequest>();
  readonly #bucket: TokenBucket | undefined;
  #throttled = 0;

  constructor(options: OpsWorksCmOptions) {
    const { clock, rate = PUBLISHED_RATE } = options;
    this.#options = options;
    this.#servers = new Map(options.servers.map((one) => [one.serverName, new ConfigurationServer(one, options)]));
    this.#bucket = rate ? new TokenBucket(rate, clock) : undefined;
    const operations = {
      AssociateNode: this.#limited((input: AssociateNodeCommandInput) => this.#associate(input)),
      DisassociateNode: this.#limited((input: DisassociateNodeCommandInput) => this.#disassociate(input)),
      DescribeNodeAssociationStatus: this.#limited((input: DescribeNodeAssociationStatusCommandInput) =>
        this.#describeStatus(input),
      ),
      DescribeServers: this.#limited((input: DescribeServersCommandInput) => this.#describeServers(input)),
    };
    this.service = { name: 'opsworks-cm', operations };
  }

  /** Puts a server into a status until something else does. */
  setStatus(serverName: string, status: ServerStatus): void {
    this.#server(serverName).setStatus(status);
  }

  /** UNDER_MAINTENANCE from now for so many seconds of the world's time, then HEALTHY. */
  maintenance(serverName: string, seconds: number): void {
    this.#server(serverName).maintain(seconds);
  }

  /** The nodes that a server manages. */
  associations(serverName: string): readonly Association[] {
    return this.#server(serverName).associations;
  }

  snapshot(): OpsWorksCmSnapshot {
    const servers = [...this.#servers].map(([name, { status, associations }]) => [name, { status, associations }]);
    return { servers: Object.fromEntries(servers), throttled: this.#throttled };
  }

  #limited<Input, Output>(operation: Operation<Input, Output>): Operation<Input, Output> {
    return (input, context) => {
      if (this.#bucket?.tryTake() === false) {
        this.#throttled += 1;
        throw new ServiceError('ThrottlingException', 'Rate exceeded');
      }
      return operation(input, context);
    };
  }

  #associate(input: AssociateNodeCommandInput): AssociateNodeResponse {
    const server = this.#server(input.ServerName);
    const key = readNodeKey(server.specification.engine, input.EngineAttributes ?? []);
    server.requireHealthy('associate');
    const nodeName = input.NodeName ?? '';
    const certifies = key.csr ? nodeName : undefined;
    return this.#begin(server, certifies, () => server.associate({ nodeName, key }));
  }

  #disassociate(input: DisassociateNodeCommandInput): DisassociateNodeResponse {
    const server = this.#server(input.ServerName);
    const organization = readOrganization(server.specification.engine, input.EngineAttributes ?? []);
    server.requireHealthy('disassociate');
    return this.#begin(server, undefined, async () => server.disassociate(input.NodeName ?? '', organization));
  }

  /** Starts a request whose work is done when its time is over: of two for one name, the one that ends first wins. */
  #begin(
    server: ConfigurationServer,
    certifies: string | undefined,
    work: () => Promise<boolean>,
  ): { NodeAssociationStatusToken: string } {
    const { clock, random, associationSeconds = [20, 40] } = this.#options;
    const token = uuid(random);
    const request: PendingRequest = { server, certifies, status: 'IN_PROGRESS', endedAt: undefined };
    this.#requests.set(token, request);
    const endsAt = clock.now() + secondsWithin(associationSeconds, random) * 1000;
    clock.at(endsAt, () => void this.#finish(request, work));
    return { NodeAssociationStatusToken: token };
  }

  async #finish(request: PendingRequest, work: () => Promise<boolean>): Promise<void> {
    const { clock } = this.#options;
    // Checking a signature takes real time and must take none of the world's.
    const release = clock.hold();
    try {
      request.status = (await work()) ? 'SUCCESS' : 'FAILED';
      request.endedAt = clock.now();
    } finally {
      release();
    }
  }

  async #describeStatus(
    input: DescribeNodeAssociationStatusCommandInput,
  ): Promise<DescribeNodeAssociationStatusResponse> {
    const server = this.#server(input.ServerName);
    const request = this.#request(input.NodeAssociationStatusToken ?? '', server);
    const isCertified = request.status === 'SUCCESS' && request.certifies !== undefined;
    const certificate = isCertified ? await server.certificate(request.certifies ?? '') : undefined;
    return {
      NodeAssociationStatus: request.status,
      EngineAttributes: certificate === undefined ? [] : [{ Name: 'PUPPET_NODE_CERT', Value: certificate }],
    };
  }

  #request(token: string, server: ConfigurationServer): PendingRequest {
    const request = this.#requests.get(token);
    const isForgotten = this.#options.clock.now() > (request?.endedAt ?? Number.POSITIVE_INFINITY) + TOKEN_LIFE_MS;
    if (request?.server === server && !isForgotten) return request;
    const { serverName } = server.specification;
    throw new ServiceError(
      'ResourceNotFoundException',
      `No recent association or disassociation request of server ${serverName} has the token ${token}.`,
    );
  }

  async #describeServers(input: DescribeServersCommandInput): Promise<DescribeServersResponse> {
    if (input.ServerName !== undefined) return { Servers: [await this.#server(input.ServerName).describe()] };
    const numbered = [...this.#servers.values()].map((server, index) => ({ serial: index + 1, server }));
    const refuse = () => new ServiceError('InvalidNextTokenException', 'The NextToken is not valid.');
    const { items, nextToken } = pageBySerial(numbered, input.MaxResults ?? PAGE_SIZE, input.NextToken, refuse);
    const servers = await Promise.all(items.map(({ server }) => server.describe()));
    return { Servers: servers, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
  }

  #server(serverName: string | undefined): ConfigurationServer {
    const server = this.#servers.get(serverName ?? '');
    if (!server) throw new ServiceError('ResourceNotFoundException', `The server ${serverName} does not exist.`);
    return server;
  }
}
