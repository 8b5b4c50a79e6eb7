import { entryFor, type PerEngine } from '../../lib/engines.ts';
import type { Associate } from '../../lib/servers.ts';
import { chefInfraServer } from './chef-infra/server.ts';
import { type ConfigServer, FORGOTTEN_AT_ONCE } from './contract.ts';
import * as opsWorksCm from './opsworks-cm/server.ts';
import { puppetServer } from './puppet/server.ts';

// One accessor and one table per operation, so that each Lambda bundles only the client code it uses.

/** The tables have an entry for each engine. lib/engines.ts alone reports an entry for an engine that is not declared. */
type Table<Operation extends keyof ConfigServer> = PerEngine<Pick<ConfigServer, Operation>> & Record<string, unknown>;

const ASSOCIATING: Table<'associate'> = {
  'opsworks-cm': opsWorksCm.associating,
  puppet: puppetServer,
  'chef-infra': chefInfraServer,
};

const CONFIRMING: Table<'confirm'> = {
  'opsworks-cm': opsWorksCm.confirming,
  puppet: puppetServer,
  'chef-infra': chefInfraServer,
};

const DISASSOCIATING: Table<'disassociate'> = {
  'opsworks-cm': opsWorksCm.disassociating,
  puppet: puppetServer,
  'chef-infra': chefInfraServer,
};

const FORGETTING: Table<'confirmDisassociation'> = {
  'opsworks-cm': opsWorksCm.confirmingDisassociation,
  puppet: () => FORGOTTEN_AT_ONCE,
  'chef-infra': () => FORGOTTEN_AT_ONCE,
};

export function associatingServer(associate: Associate): Pick<ConfigServer, 'associate'> {
  return entryFor(ASSOCIATING, associate);
}

export function confirmingServer(associate: Associate): Pick<ConfigServer, 'confirm'> {
  return entryFor(CONFIRMING, associate);
}

export function disassociatingServer(associate: Associate): Pick<ConfigServer, 'disassociate'> {
  return entryFor(DISASSOCIATING, associate);
}

export function forgettingServer(associate: Associate): Pick<ConfigServer, 'confirmDisassociation'> {
  return entryFor(FORGETTING, associate);
}
