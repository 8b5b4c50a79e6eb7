import type { Associate, ChefInfraServer, PuppetServer } from '../../lib/profile.ts';
import { secretText } from '../secrets.ts';
import { chefInfraServer } from './chef-infra/server.ts';
import { type ConfigServer, FORGOTTEN_AT_ONCE } from './contract.ts';
import * as opsWorksCm from './opsworks-cm/server.ts';
import { puppetServer } from './puppet/server.ts';

// The configuration server that a profile names, to whoever does one thing with it: so a function carries no more.

export function associatingServer(associate: Associate): Pick<ConfigServer, 'associate'> {
  return associate.engine === 'opsworks-cm' ? opsWorksCm.associating(associate) : ownServer(associate);
}

export function confirmingServer(associate: Associate): Pick<ConfigServer, 'confirm'> {
  return associate.engine === 'opsworks-cm' ? opsWorksCm.confirming(associate) : ownServer(associate);
}

export function disassociatingServer(associate: Associate): Pick<ConfigServer, 'disassociate'> {
  return associate.engine === 'opsworks-cm' ? opsWorksCm.disassociating(associate) : ownServer(associate);
}

export function forgettingServer(associate: Associate): Pick<ConfigServer, 'confirmDisassociation'> {
  return associate.engine === 'opsworks-cm' ? opsWorksCm.confirmingDisassociation(associate) : FORGOTTEN_AT_ONCE;
}

function ownServer(associate: PuppetServer | ChefInfraServer): ConfigServer {
  return associate.engine === 'puppet' ? puppetServer(associate, secretText) : chefInfraServer(associate, secretText);
}
