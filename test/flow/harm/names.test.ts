import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Profile } from '../../../lib/profile.ts';
import { PuppetCa } from '../../../world/services/puppet-ca.ts';
import { makeNode } from '../../support/make-node.ts';
import { puppetProfile } from '../../support/self-managed.ts';
import {
  changes,
  finishedExecution,
  outcomes,
  type Played,
  playWorld,
  startByHand,
  untilEnded,
  untilOneEnded,
} from '../../support/world.ts';

let ca: PuppetCa;
beforeAll(async () => {
  ca = await PuppetCa.start({ managed: /.*/ });
});
afterAll(() => ca.close());

function playLightsail(csrFrom?: Profile['csrFrom']): Promise<Played> {
  const { associate, secrets } = puppetProfile(ca);
  const profile: Profile = {
    name: 'blog',
    match: { lightsail: '*' },
    associate,
    ...(csrFrom && { csrFrom }),
    enrolWithinMinutes: 60,
    onFailure: 'hold',
    abandonLimit: 3,
  };
  return playWorld({ profiles: [profile], secrets, nodes: { agentUpAfterSeconds: 5 } });
}

function create(world: Played, ...instanceNames: string[]): void {
  const image = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  void world.lightsail.createInstances({ ...image, instanceNames }, { requestId: 'by-the-test' });
}

describe('two Lightsail instances whose names become one node name', () => {
  it('are one node: the second is refused by name, before it or any server is asked, and the first stays', async () => {
    const world = await playLightsail();
    create(world, 'TWIN-1');
    await world.clock.advance(30_000);
    world.activate('TWIN-1');
    expect(await untilOneEnded(world)).toMatchObject({ instance: 'TWIN-1', outcome: 'enrolled' });
    create(world, 'twin-1');
    const [, second] = await untilEnded(world, 2);
    expect(second?.cause).toContain('its node name would be twin-1, which is the name of lightsail/eu-west-1/TWIN-1');
    expect(second?.attempts.RequestIdentity).toBeUndefined();
    await world.lightsail.deleteInstance({ instanceName: 'twin-1' }, { requestId: 'by-the-test' });
    await world.clock.advance(3_600_000);
    expect(ca.signed).toContain('twin-1');
    const items = await world.ledger();
    expect(items.find(({ instance }) => instance === 'lightsail/eu-west-1/TWIN-1')).toMatchObject({
      status: 'enrolled',
    });
  });
});

describe('a Lightsail name that a server may know for something else', () => {
  it.each([
    'i-0123456789abcdef0',
    'I-0123456789ABCDEF0',
    'mi-0123456789abcdef0',
    'localhost',
    'Puppet',
    'ca',
    'n'.repeat(65),
  ])('is refused before the node is asked: %s', async (name) => {
    const world = await playLightsail('request');
    create(world, name);
    await untilOneEnded(world);
    const { csr } = (await makeNode(name.toLowerCase().slice(0, 60))).identity;
    startByHand(world, { lightsailInstanceName: name, identity: { csr } });
    const [, asked] = await untilEnded(world, 2);
    expect(asked?.cause).toContain(`its node name would be ${name.toLowerCase()}`);
    expect(ca.signed).not.toContain(name.toLowerCase());
    expect(world.calls.filter(({ service }) => service === 'ssm')).toEqual([]);
  });

  it('is not refused for an ordinary name, and a CSR is taken only where the profile says so', async () => {
    const world = await playLightsail();
    create(world, 'i-am-a-blog');
    await world.clock.advance(30_000);
    const { csr } = (await makeNode('i-am-a-blog')).identity;
    startByHand(world, { lightsailInstanceName: 'i-am-a-blog', identity: { csr } });
    const refused = (await untilEnded(world, 1)).find(({ outcome }) => outcome === 'failed');
    expect(refused?.cause).toContain('takes no CSR from the input');
    world.activate('i-am-a-blog');
    await world.clock.advance(3_600_000);
    expect(ca.signed).toContain('i-am-a-blog');
  });
});

describe('a Lightsail name that is given again', () => {
  it('while an enrolment is about to close IMDSv1 keeps that from the new instance', async () => {
    const world = await playWorld();
    world.lambda.interceptor = (invocation, next) => {
      // The enrolment has described the former instance.
      const { instance } = invocation.payload as { instance?: { arn: string } };
      if (instance && invocation.functionName === 'muster-dev-enforce-imds-v2') instance.arn += '-former';
      return next();
    };
    create(world, 'again-2');
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed' });
    expect(finishedExecution(world).error).toBe('InstanceGone');
    expect(changes(world)).not.toContain('lightsail.UpdateInstanceMetadataOptions');
  });

  it('belongs to the new instance, after the former is retired, although the event of its deletion is lost', async () => {
    const world = await playLightsail();
    create(world, 'again-1');
    await world.clock.advance(30_000);
    world.activate('again-1');
    await untilOneEnded(world);
    // The deletion is never announced.
    world.lambda.interceptor = (invocation, next) =>
      invocation.functionName === 'muster-dev-start-retirement' ? Promise.resolve(null) : next();
    await world.lightsail.deleteInstance({ instanceName: 'again-1' }, { requestId: 'by-the-test' });
    await world.clock.advance(120_000);
    create(world, 'again-1');
    await world.clock.advance(600_000);
    const node = world.activate('again-1');
    await world.clock.advance(3_600_000);
    expect(outcomes(world).map(({ detailType }) => detailType)).toEqual([
      'Instance Enrolled',
      'Instance Retired',
      'Instance Enrolled',
    ]);
    expect(node.installed?.nodeName).toBe('again-1');
    expect(await world.ledger()).toMatchObject([
      { status: 'enrolled', arn: world.lightsail.instance('again-1')?.arn, publicKeyFingerprint: expect.any(String) },
    ]);
  });
});
