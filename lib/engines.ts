import type { Associate, ChefInfraServer, Engine, OpsWorksCmServer, PuppetServer, ServerOf } from './servers.ts';

/** What the product knows of a configuration server without speaking to it. */
export interface Traits {
  /** The server's name for people. */
  readonly displayName: string;
  /** Equal for two profiles that name the same server, however they write its address and whatever secrets they use. */
  readonly serverId: string;
  /** Whether the server shows the key that it knows a node by. */
  readonly showsKey: boolean;
  /** The prefix in IAM of the AWS API by which the server is spoken to; null for one that is spoken to directly. */
  readonly awsApi: 'opsworks-cm' | null;
  /** Names that the server knows, or may know, for something else than a node: its own, and those of its clients. */
  readonly reservedNames: readonly string[];
  /** The key that a node has to prove; null for a server that needs none. */
  readonly nodeKey: NodeKey | null;
  readonly secrets: readonly NamedSecret[];
  /** How the node gets what its agent needs; null where its image brings everything. Only a node with a key is asked. */
  readonly installation: Installation | null;
}

export interface NodeKey {
  /** The agent whose key it is, as Muster-CollectIdentity names it. */
  readonly agent: 'puppet' | 'chef';
  /** Whether the server refuses elliptic curves. */
  readonly isRsaOnly: boolean;
}

/** A secret in Secrets Manager that a profile names. */
export interface NamedSecret {
  /** The profile's field. */
  readonly field: string;
  readonly name: string;
  /** services/config-servers/secrets.ts has a check for each. */
  readonly content: SecretContent;
  readonly readBy: readonly ('enrolment' | 'retirement')[];
}

/** `client-certificate`: of the CA in the same server's `puppet-ca`. */
export type SecretContent = 'certificates' | 'chef-key' | 'puppet-ca' | 'client-certificate';

export interface Installation {
  readonly document: 'InstallCredentials' | 'InstallChef';
  /** Whether the node is sent the certificate that the server issued, and its CA's. */
  readonly sendsCertificate: boolean;
  readonly parameters: Readonly<Record<string, string>>;
  /** Parameters whose values are the certificates in these secrets. */
  readonly secretParameters: Readonly<Record<string, string>>;
}

/** A table with one entry for each engine. */
export type PerEngine<Result> = { readonly [E in Engine]: (server: ServerOf<E>) => Result };

/** Looks up the entry of the server's engine. */
export function entryFor<E extends Engine, Result>(
  table: PerEngine<Result>,
  server: ServerOf<E> & { engine: E },
): Result {
  return table[server.engine](server);
}

const ENGINES: PerEngine<Traits> = {
  'opsworks-cm': opsWorksCm,
  puppet,
  'chef-infra': chefInfra,
};

export function traitsOf(server: Associate): Traits {
  return entryFor(ENGINES, server);
}

/** The secrets that are read to enrol a node, or to retire one. */
export function secretsFor(reader: 'enrolment' | 'retirement', server: Associate): NamedSecret[] {
  return traitsOf(server).secrets.filter(({ readBy }) => readBy.includes(reader));
}

/** Whether the server knows its nodes by their keys. */
export function needsKey(server: Associate): boolean {
  return traitsOf(server).nodeKey !== null;
}

function opsWorksCm(server: OpsWorksCmServer): Traits {
  const { serverName, serverEngine, chefOrganization = 'default' } = server;
  const ofEither = {
    displayName: serverName,
    showsKey: false,
    awsApi: 'opsworks-cm',
    reservedNames: [serverName],
    secrets: [],
  } as const;
  if (serverEngine === 'Puppet') {
    return {
      ...ofEither,
      serverId: `opsworks-cm/${serverName}`,
      nodeKey: { agent: 'puppet', isRsaOnly: false },
      // The agent's configuration is the image's own.
      installation: puppetInstallation({
        Server: '',
        ServerPort: '',
        Environment: '',
        FirstRun: 'none',
        Service: 'leave',
      }),
    };
  }
  return {
    ...ofEither,
    serverId: `opsworks-cm/${serverName}/${chefOrganization}`,
    reservedNames: [serverName, chefOrganization, `${chefOrganization}-validator`],
    nodeKey: { agent: 'chef', isRsaOnly: true },
    installation: null,
  };
}

function puppet(server: PuppetServer): Traits {
  const { url, caSecret, keySecret, retireKeySecret, environment = '', firstRun, service = 'enable' } = server;
  const { hostname, port } = new URL(url);
  return {
    displayName: url,
    serverId: `puppet/${normalized(url)}`,
    showsKey: true,
    awsApi: null,
    reservedNames: namesOfHost(hostname),
    nodeKey: { agent: 'puppet', isRsaOnly: false },
    secrets: [
      { field: 'caSecret', name: caSecret, content: 'puppet-ca', readBy: ['enrolment', 'retirement'] },
      { field: 'keySecret', name: keySecret, content: 'client-certificate', readBy: ['enrolment'] },
      { field: 'retireKeySecret', name: retireKeySecret, content: 'client-certificate', readBy: ['retirement'] },
    ],
    installation: puppetInstallation({
      Server: hostname,
      ServerPort: port || '443',
      Environment: environment,
      FirstRun: firstRun,
      Service: service,
    }),
  };
}

function puppetInstallation(parameters: Installation['parameters']): Installation {
  return { document: 'InstallCredentials', sendsCertificate: true, parameters, secretParameters: {} };
}

function chefInfra(server: ChefInfraServer): Traits {
  const { url, caSecret, keySecret, retireKeySecret } = server;
  const { runList = [], policyName = '', policyGroup = '', environment = '', firstRun, service = 'enable' } = server;
  const certificates: NamedSecret[] = caSecret
    ? [{ field: 'caSecret', name: caSecret, content: 'certificates', readBy: ['enrolment', 'retirement'] }]
    : [];
  return {
    displayName: url,
    serverId: `chef-infra/${normalized(chefServerUrl(server))}`,
    showsKey: true,
    awsApi: null,
    reservedNames: chefNames(server),
    nodeKey: { agent: 'chef', isRsaOnly: true },
    secrets: [
      ...certificates,
      { field: 'keySecret', name: keySecret, content: 'chef-key', readBy: ['enrolment'] },
      { field: 'retireKeySecret', name: retireKeySecret, content: 'chef-key', readBy: ['retirement'] },
    ],
    installation: {
      document: 'InstallChef',
      sendsCertificate: false,
      parameters: {
        ServerUrl: chefServerUrl(server),
        TrustedCertificates: '',
        RunList: runList.join(','),
        PolicyName: policyName,
        PolicyGroup: policyGroup,
        Environment: environment,
        FirstRun: firstRun,
        Service: service,
      },
      secretParameters: caSecret ? { TrustedCertificates: caSecret } : {},
    },
  };
}

function chefNames({
  url,
  organization = organizationOf(url),
  clientName,
  retireClientName,
}: ChefInfraServer): string[] {
  const own = organization === undefined ? [] : [organization, `${organization}-validator`];
  return [...namesOfHost(new URL(url).hostname), ...own, ...(clientName ? [clientName] : []), retireClientName];
}

/** A host is known by its whole name, and within its domain by the first label. */
function namesOfHost(hostname: string): string[] {
  return [hostname, hostname.split('.', 1)[0] ?? hostname];
}

/** The address of a Chef server's API, as a node's client.rb has it too: with the organization, where there is one. */
export function chefServerUrl({ url, organization }: Pick<ChefInfraServer, 'url' | 'organization'>): string {
  const base = url.replace(/\/+$/, '');
  return organizationOf(url) || !organization ? base : `${base}/organizations/${organization}`;
}

/** The Chef organization that a URL ends in. */
export function organizationOf(url: string): string | undefined {
  return /\/organizations\/([^/]+)\/*$/.exec(url)?.[1];
}

/** One spelling per address: the host in lower case, neither the default port nor slashes at the end. */
function normalized(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}
