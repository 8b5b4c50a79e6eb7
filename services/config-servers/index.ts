import type { Associate } from '../../lib/profiles.ts';
import { secretText } from '../secrets.ts';
import { chefInfraServer } from './chef-infra.ts';
import type { ConfigServer } from './contract.ts';
import { opsWorksCmServer } from './opsworks-cm.ts';
import { puppetServer } from './puppet.ts';

/** The configuration server that a profile names. */
export function configServer(associate: Associate): ConfigServer {
  switch (associate.engine) {
    case 'opsworks-cm':
      return opsWorksCmServer(associate);
    case 'puppet':
      return puppetServer(associate, secretText);
    case 'chef-infra':
      return chefInfraServer(associate, secretText);
  }
}
