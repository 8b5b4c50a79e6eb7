import type { Server, ServerStatus } from '@aws-sdk/client-opsworkscm';
import { ACCOUNT_ID, REGION } from '../../kernel/account.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { uuid } from '../../kernel/uuid.ts';
import { CertificateAuthority, commonName } from '../../pki/certificate-authority.ts';
import { ServiceError } from '../../wire/service.ts';
import type { Engine, NodeKey } from './attributes.ts';

const VERSIONS: Record<Engine, { EngineModel: string; EngineVersion: string }> = {
  ChefAutomate: { EngineModel: 'Single', EngineVersion: '2' },
  Puppet: { EngineModel: 'Monolithic', EngineVersion: '2019' },
};

export interface ServerSpecification {
  readonly serverName: string;
  readonly engine: Engine;
  /** HEALTHY when left out. */
  readonly status?: ServerStatus;
  /** The organizations of a Chef server; `default` alone when left out. */
  readonly organizations?: readonly string[];
}

/** A node that the server manages. */
export interface Association {
  readonly nodeName: string;
  /** Chef only. */
  readonly organization: string | undefined;
  readonly publicKeySha256: string;
  /** ISO instant of the first association. */
  readonly associatedAt: string;
  /** How many requests for this node and key have succeeded: more than one means that a caller asked again. */
  times: number;
}

/** What one request wants of the server. */
interface NodeRequest {
  readonly nodeName: string;
  readonly key: NodeKey;
}

/** One server of OpsWorks CM: its status, its managed nodes and, on Puppet, its certificate authority. */
export class ConfigurationServer {
  readonly specification: ServerSpecification;
  readonly #clock: Clock;
  readonly #createdAt: number;
  readonly #arn: string;
  readonly #endpoint: string;
  readonly #associations = new Map<string, Association>();
  readonly #certificates = new Map<string, Promise<string>>();
  #status: ServerStatus;
  #authority: Promise<CertificateAuthority> | undefined;
  #cancelRecovery: () => void = () => {};

  constructor(specification: ServerSpecification, { clock, random }: { clock: Clock; random: Random }) {
    const { serverName, status = 'HEALTHY' } = specification;
    this.specification = specification;
    this.#clock = clock;
    this.#createdAt = clock.now();
    this.#status = status;
    this.#arn = `arn:aws:opsworks-cm:${REGION}:${ACCOUNT_ID}:server/${serverName}/${uuid(random)}`;
    const suffix = uuid(random).replaceAll('-', '').slice(0, 16);
    this.#endpoint = `${serverName.toLowerCase()}-${suffix}.${REGION}.opsworks-cm.io`;
  }

  get status(): ServerStatus {
    return this.#status;
  }

  get associations(): readonly Association[] {
    return [...this.#associations.values()];
  }

  /** Puts the server into a status until something else does. */
  setStatus(status: ServerStatus): void {
    this.#cancelRecovery();
    this.#status = status;
  }

  /** UNDER_MAINTENANCE from now for so many seconds, then HEALTHY, unless its status is set in between. */
  maintain(seconds: number): void {
    this.setStatus('UNDER_MAINTENANCE');
    this.#cancelRecovery = this.#clock.at(this.#clock.now() + seconds * 1000, () => this.setStatus('HEALTHY'));
  }

  /** @throws InvalidStateException unless the server is HEALTHY */
  requireHealthy(action: 'associate' | 'disassociate'): void {
    if (this.#status === 'HEALTHY') return;
    throw new ServiceError(
      'InvalidStateException',
      `Cannot ${action} a node while server ${this.specification.serverName} is ${this.#status}; it must be HEALTHY.`,
    );
  }

  /**
   * Associates, or associates again with the key that is bound already. False, with nothing changed, when the name is
   * bound to another key, when a CSR is for another name or not signed by its key, or for an unknown organization.
   */
  async associate({ nodeName, key }: NodeRequest): Promise<boolean> {
    if (!this.#knowsOrganization(key.organization)) return false;
    if (key.csr && !(commonName(key.csr) === nodeName && (await key.csr.verify()))) return false;
    const known = this.#associations.get(nodeId(nodeName, key.organization));
    if (known) {
      if (known.publicKeySha256 !== key.publicKeySha256) return false;
      known.times += 1;
      return true;
    }
    this.#associations.set(nodeId(nodeName, key.organization), {
      nodeName,
      organization: key.organization,
      publicKeySha256: key.publicKeySha256,
      associatedAt: new Date(this.#clock.now()).toISOString(),
      times: 1,
    });
    if (key.csr) this.#certificates.set(nodeName, this.#sign(key.csr));
    return true;
  }

  /** The node is not managed afterwards; that it was not before is no failure. Its certificate goes with it. */
  disassociate(nodeName: string, organization: string | undefined): boolean {
    if (!this.#knowsOrganization(organization)) return false;
    this.#associations.delete(nodeId(nodeName, organization));
    this.#certificates.delete(nodeName);
    return true;
  }

  /** The node's certificate in PEM, by this server's authority; undefined on Chef, and once it is disassociated. */
  async certificate(nodeName: string): Promise<string | undefined> {
    return this.#certificates.get(nodeName);
  }

  /** As DescribeServers shows it. */
  async describe(): Promise<Server> {
    const { serverName, engine } = this.specification;
    return {
      ServerName: serverName,
      ServerArn: this.#arn,
      Engine: engine,
      ...VERSIONS[engine],
      EngineAttributes: await this.#engineAttributes(),
      Status: this.#status,
      StatusReason: '',
      Endpoint: this.#endpoint,
      CreatedAt: new Date(this.#createdAt),
      BackupRetentionCount: 10,
      DisableAutomatedBackup: false,
      AssociatePublicIpAddress: true,
      InstanceType: 'm5.large',
      PreferredMaintenanceWindow: 'Mon:08:00',
      PreferredBackupWindow: '05:00',
    };
  }

  async #engineAttributes(): Promise<{ Name: string; Value: string }[]> {
    if (this.specification.engine !== 'Puppet') return [];
    return [{ Name: 'PUPPET_API_CA_CERT', Value: (await this.#certificateAuthority()).certificatePem }];
  }

  #knowsOrganization(organization: string | undefined): boolean {
    const { organizations = ['default'] } = this.specification;
    return organization === undefined || organizations.includes(organization);
  }

  async #sign(csr: NonNullable<NodeKey['csr']>): Promise<string> {
    const now = new Date(this.#clock.now());
    return (await this.#certificateAuthority()).sign(csr, now);
  }

  #certificateAuthority(): Promise<CertificateAuthority> {
    // Made at first use: a world with Chef servers alone needs none.
    this.#authority ??= CertificateAuthority.create(`Puppet CA: ${this.#endpoint}`, new Date(this.#createdAt));
    return this.#authority;
  }
}

/** A Chef server keeps one name space for each organization, a Puppet server only one. */
function nodeId(nodeName: string, organization: string | undefined): string {
  return organization === undefined ? nodeName : `${organization}/${nodeName}`;
}
