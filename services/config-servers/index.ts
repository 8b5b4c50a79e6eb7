import type { Associate } from '../../lib/profiles.ts';
import type { ConfigServer } from './contract.ts';
import { opsWorksCmServer } from './opsworks-cm.ts';

/** The configuration server that a profile names. */
export function configServer(associate: Associate): ConfigServer {
  return opsWorksCmServer(associate);
}
