import { entryFor, organizationOf, traitsOf } from '../lib/engines.ts';
import type { Profile } from '../lib/profile.ts';
import { Associate, type ChefInfraServer, type Engine, type PuppetServer, type ServerOf } from '../lib/servers.ts';
import { ChefInfra } from '../world/services/chef-infra/chef-infra.ts';
import type { ServerSpecification } from '../world/services/opsworks-cm/server.ts';
import { PuppetCa } from '../world/services/puppet-ca.ts';

/** What answers in the local world for a server that profiles name. */
export interface StandIn {
  /** The fields of the profile's server that differ here: its address, and the names that it knows its clients by. */
  readonly fields: Readonly<Record<string, string>>;
  /** The texts of the secrets that the profile names, as the double accepts them. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The server, if it is one of OpsWorks CM's: these answer at the world's own port. */
  readonly managed?: ServerSpecification;
  readonly close: () => Promise<void>;
}

/** The double of each engine. lib/engines.ts reports an entry for an engine that is not declared. */
const DOUBLES: { readonly [E in Engine]: (server: ServerOf<E>) => Promise<StandIn> } & Record<string, unknown> = {
  'opsworks-cm': managedByOpsWorksCm,
  puppet: startPuppet,
  'chef-infra': startChef,
};

/** Starts a double for each server that the profiles name, and points the profiles at it. */
export async function startDoubles(profiles: readonly Profile[]) {
  const named = profiles.flatMap(({ associate }) => associate ?? []);
  const servers = new Map(named.map((server) => [traitsOf(server).serverId, server]));
  const started = new Map<string, StandIn>();
  for (const [id, server] of servers) started.set(id, await entryFor(DOUBLES, server));
  const standIns = [...started.values()];
  const pointed = ({ associate, ...profile }: Profile): Profile => {
    if (!associate) return profile;
    const fields = started.get(traitsOf(associate).serverId)?.fields;
    return { ...profile, associate: Associate.parse({ ...associate, ...fields }) };
  };
  return {
    profiles: profiles.map(pointed),
    secrets: Object.fromEntries(standIns.flatMap(({ secrets }) => Object.entries(secrets))),
    servers: standIns.flatMap(({ managed }) => managed ?? []),
    close: async () => void (await Promise.all(standIns.map(({ close }) => close()))),
  };
}

async function managedByOpsWorksCm(server: ServerOf<'opsworks-cm'>): Promise<StandIn> {
  const { serverName, serverEngine, chefOrganization } = server;
  const organizations =
    chefOrganization === undefined ? {} : { organizations: [...new Set(['default', chefOrganization])] };
  const managed = { serverName, engine: serverEngine, ...organizations };
  return { fields: {}, secrets: {}, managed, close: async () => {} };
}

async function startPuppet({ caSecret, keySecret, retireKeySecret }: PuppetServer): Promise<StandIn> {
  const ca = await PuppetCa.start();
  const textOf = ({ certificate, privateKey }: PuppetCa['enrol']) => JSON.stringify({ certificate, privateKey });
  const secrets = { [caSecret]: ca.caCertificate, [keySecret]: textOf(ca.enrol), [retireKeySecret]: textOf(ca.retire) };
  return { fields: { url: ca.url }, secrets, close: () => ca.close() };
}

async function startChef({
  url,
  organization,
  caSecret,
  keySecret,
  retireKeySecret,
}: ChefInfraServer): Promise<StandIn> {
  const chef = await ChefInfra.start({ organization: organizationOf(url) ?? organization ?? 'default' });
  const { validator, admin } = chef;
  // The double's certificate is its own, which no public authority has signed.
  const ca = caSecret ?? 'local/chef-ca';
  return {
    fields: { url: chef.url, caSecret: ca, clientName: validator.clientName, retireClientName: admin.clientName },
    secrets: { [ca]: chef.certificate, [keySecret]: validator.privateKey, [retireKeySecret]: admin.privateKey },
    close: () => chef.close(),
  };
}
