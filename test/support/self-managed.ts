import type { Profile } from '../../lib/profile.ts';
import type { ChefInfraServer, PuppetServer } from '../../lib/servers.ts';
import type { ChefInfra } from '../../world/services/chef-infra/chef-infra.ts';
import type { PuppetCa } from '../../world/services/puppet-ca.ts';

/** A profile of the group `database` whose instances wait in their hooks. */
export function databaseProfile(associate: NonNullable<Profile['associate']>): Profile {
  return {
    name: 'database',
    match: { autoScalingGroup: 'database' },
    lifecycleHook: 'muster-launch',
    terminationHook: 'muster-terminate',
    associate,
    metadata: { httpTokens: 'required', onFailure: 'continue', lookBackDays: 14, canary: '10%' },
    enrolWithinMinutes: 60,
    onFailure: 'hold',
    abandonLimit: 3,
  };
}

interface PuppetAddress {
  readonly url: string;
  readonly caCertificate: string;
  readonly enrol: { readonly certificate: string; readonly privateKey: string };
  readonly retire: { readonly certificate: string; readonly privateKey: string };
}

/** What a profile says of a Puppet Server, and the secrets that it names. */
export function puppetProfile({ url, caCertificate, enrol, retire }: PuppetAddress | PuppetCa) {
  const associate: PuppetServer = {
    engine: 'puppet',
    url,
    caSecret: 'puppet/ca',
    keySecret: 'puppet/enrol',
    retireKeySecret: 'puppet/retire',
    firstRun: 'none',
  };
  const pair = ({ certificate, privateKey }: PuppetAddress['enrol']) => JSON.stringify({ certificate, privateKey });
  const secrets = { 'puppet/ca': caCertificate, 'puppet/enrol': pair(enrol), 'puppet/retire': pair(retire) };
  return { associate, secrets };
}

type ChefAddress = Pick<ChefInfra, 'url' | 'certificate' | 'validator' | 'admin'>;

/** What a profile says of a Chef Infra Server, and the secrets that it names. */
export function chefProfile({ url, certificate, validator, admin }: ChefAddress) {
  const associate: ChefInfraServer = {
    engine: 'chef-infra',
    url,
    caSecret: 'chef/ca',
    keySecret: 'chef/validator',
    clientName: validator.clientName,
    retireKeySecret: 'chef/admin',
    retireClientName: admin.clientName,
    firstRun: 'none',
  };
  const secrets = { 'chef/ca': certificate, 'chef/validator': validator.privateKey, 'chef/admin': admin.privateKey };
  return { associate, secrets };
}
