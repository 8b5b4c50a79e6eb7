import { X509Certificate } from 'node:crypto';
import { publicKeySha256 } from '../../world/pki/keys.ts';
import type { ChefInfra } from '../../world/services/chef-infra/chef-infra.ts';
import type { OpsWorksCm } from '../../world/services/opsworks-cm/opsworks-cm.ts';
import type { PuppetCa } from '../../world/services/puppet-ca.ts';

/** A node as its server has it. */
export interface ServerNode {
  readonly server: string;
  readonly name: string;
  /** SHA-256 of its public key's SPKI, in hexadecimal. */
  readonly fingerprint: string;
}

interface Servers {
  readonly opsWorksCm: OpsWorksCm;
  readonly chef: ChefInfra;
  readonly puppet: PuppetCa;
}

/** Every node of every server, strangers' too. */
export function nodesOf({ opsWorksCm, chef, puppet }: Servers): ServerNode[] {
  const managed = Object.entries(opsWorksCm.snapshot().servers).flatMap(([server, { associations }]) =>
    associations.map(({ nodeName: name, publicKeySha256: fingerprint }) => ({ server, name, fingerprint })),
  );
  const clients = chef.clients.map((name) => {
    return { server: 'chef', name, fingerprint: publicKeySha256(chef.publicKeyOf(name) ?? '') };
  });
  const certified = puppet.signed.map((name) => {
    const { publicKey } = new X509Certificate(puppet.certificateOf(name) ?? '');
    const fingerprint = publicKeySha256(publicKey.export({ type: 'spki', format: 'pem' }).toString());
    return { server: 'puppet', name, fingerprint };
  });
  return [...managed, ...clients, ...certified];
}
