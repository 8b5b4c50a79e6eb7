import { createHash, createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readProfiles } from '../../profiles/file.ts';
import { type Played, playWorld, untilEnded } from '../support/world.ts';

const ALL_OPTIONS = { httpTokens: 'required', httpEndpoint: 'enabled', httpPutResponseHopLimit: 3 } as const;

/** What the services received, member by member: a member that is no longer sent makes one of these tests fail. */
describe('the request that the service receives:', () => {
  it('RegisterInstance names the stack, the host, its addresses, its key and its identity document', async () => {
    const { world, node, ec2 } = await launched('web');
    const { document, signature } = await node.identity();
    const publicKey = (await node.publicKeyPem()).trim();
    expect(inputOf(world, 'RegisterInstance')).toEqual({
      StackId: '4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11',
      Hostname: ec2.instanceId,
      PrivateIp: ec2.privateIpAddress,
      PublicIp: ec2.publicIpAddress,
      RsaPublicKey: publicKey,
      RsaPublicKeyFingerprint: fingerprintOf(publicKey),
      InstanceIdentity: { Document: document, Signature: signature },
    });
  });

  it('AssociateNode names the Chef server, the node, its organization and its public key', async () => {
    const { world, node } = await launched('web');
    expect(inputOf(world, 'AssociateNode')).toEqual({
      ServerName: 'ChefServer',
      NodeName: node.instanceId,
      EngineAttributes: [
        { Name: 'CHEF_ORGANIZATION', Value: 'default' },
        { Name: 'CHEF_NODE_PUBLIC_KEY', Value: (await node.publicKeyPem()).trim() },
      ],
    });
  });

  it('AssociateNode names the Puppet server, the node and its CSR', async () => {
    const { world, node } = await launched('database');
    expect(inputOf(world, 'AssociateNode')).toEqual({
      ServerName: 'PuppetServer',
      NodeName: node.instanceId,
      EngineAttributes: [{ Name: 'PUPPET_NODE_CSR', Value: (await node.csr(node.instanceId)).trim() }],
    });
  });

  it('ModifyInstanceMetadataOptions names the instance and every option of its profile', async () => {
    const { world, node } = await launched('database');
    expect(inputOf(world, 'ModifyInstanceMetadataOptions')).toEqual({
      InstanceId: node.instanceId,
      HttpTokens: 'required',
      HttpEndpoint: 'enabled',
      HttpPutResponseHopLimit: 3,
    });
  });

  it('UpdateInstanceMetadataOptions names the Lightsail instance and every option of its profile', async () => {
    const world = await playWorld({ profiles: withAllOptions() });
    const place = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
    await world.lightsail.createInstances({ instanceNames: ['blog'], ...place }, { requestId: 'by-the-test' });
    await untilEnded(world, 1);
    expect(inputOf(world, 'UpdateInstanceMetadataOptions')).toEqual({ instanceName: 'blog', ...ALL_OPTIONS });
  });
});

async function launched(group: string) {
  const world = await playWorld({ profiles: withAllOptions() });
  const [instanceId = ''] = world.autoScaling.launch(group, 1);
  await untilEnded(world, 1);
  const [node, ec2] = [world.fleet.get(instanceId), world.ec2.instance(instanceId)];
  if (!node || !ec2) throw new Error(`${instanceId} is not in the world any more.`);
  return { world, node, ec2 };
}

/** The shipped profiles, each of which names every metadata option. */
function withAllOptions() {
  return readProfiles('profiles.yml').map((profile) =>
    profile.metadata ? { ...profile, metadata: { ...profile.metadata, ...ALL_OPTIONS } } : profile,
  );
}

function inputOf({ calls }: Played, operation: string): unknown {
  const [first, ...others] = calls.filter((call) => call.operation === operation);
  expect(others).toEqual([]);
  return first?.input;
}

/** SHA-256 of the key's SPKI DER, in hexadecimal pairs with colons. */
function fingerprintOf(publicKey: string): string {
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' });
  return (createHash('sha256').update(spki).digest('hex').match(/../g) ?? []).join(':');
}
