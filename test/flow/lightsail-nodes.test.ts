import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Profile } from '../../lib/profile.ts';
import { PuppetCa } from '../../world/services/puppet-ca.ts';
import { makeNode } from '../support/make-node.ts';
import { puppetProfile } from '../support/self-managed.ts';
import { type Played, playWorld, startByHand, untilEnded, untilOneEnded } from '../support/world.ts';

let ca: PuppetCa;
beforeAll(async () => {
  ca = await PuppetCa.start({ managed: /^blog(-\d+)?$/ });
});
afterAll(() => ca.close());

function playLightsail(csrFrom?: Profile['csrFrom']): Promise<Played> {
  const { associate, secrets } = puppetProfile(ca);
  const profile: Profile = {
    name: 'blog',
    match: { lightsail: '*' },
    associate,
    ...(csrFrom && { csrFrom }),
    metadata: { httpTokens: 'required', onFailure: 'continue', lookBackDays: 14, canary: '10%' },
    enrolWithinMinutes: 60,
    onFailure: 'hold',
    abandonLimit: 3,
  };
  return playWorld({ profiles: [profile], secrets, nodes: { agentUpAfterSeconds: 5 } });
}

function create(world: Played, name: string): void {
  const image = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  void world.lightsail.createInstances({ ...image, instanceNames: [name] }, { requestId: 'by-the-test' });
}

async function retire(world: Played, name: string): Promise<void> {
  await world.lightsail.deleteInstance({ instanceName: name }, { requestId: 'by-the-test' });
  await world.clock.advance(900_000);
}

describe('a Lightsail instance that is a managed node of Systems Manager', () => {
  it('is enrolled under its name in lower case, once its agent is up, and retired when it is deleted', async () => {
    const world = await playLightsail();
    create(world, 'Blog-1');
    await world.clock.advance(600_000);
    expect(ca.signed).not.toContain('blog-1');
    const node = world.activate('Blog-1');
    expect(await untilOneEnded(world)).toMatchObject({ instance: 'Blog-1', outcome: 'enrolled' });
    expect(new X509Certificate(node.installed?.certificate ?? '').subject).toBe('CN=blog-1');
    await retire(world, 'Blog-1');
    expect(ca.signed).not.toContain('blog-1');
    expect(await world.ledger()).toMatchObject([{ instance: 'lightsail/eu-west-1/Blog-1', status: 'retired' }]);
  });

  it('is not enrolled where two nodes were activated for it', async () => {
    const world = await playLightsail();
    create(world, 'blog-2');
    await world.clock.advance(30_000);
    world.activate('blog-2');
    world.activate('blog-2');
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining('were both activated with the tag muster-node=blog-2'),
    });
    expect(world.logs).toContainEqual(expect.objectContaining({ IdentitiesRejected: 1, rule: 'other' }));
  });

  it('is found behind a whole page of earlier ones of its name', async () => {
    const world = await playLightsail();
    create(world, 'blog-7');
    await world.clock.advance(30_000);
    for (let earlier = 0; earlier < 50; earlier++) world.activate('blog-7');
    await retire(world, 'blog-7');
    create(world, 'blog-7');
    await world.clock.advance(300_000);
    const own = world.activate('blog-7');
    await world.clock.advance(3_600_000);
    expect(own.installed?.nodeName).toBe('blog-7');
  });

  it('is not mistaken for an earlier one of its name', async () => {
    const world = await playLightsail();
    create(world, 'blog-3');
    await world.clock.advance(30_000);
    world.activate('blog-3');
    await untilOneEnded(world);
    await retire(world, 'blog-3');
    create(world, 'blog-3');
    await world.clock.advance(300_000);
    const own = world.activate('blog-3');
    expect((await untilEnded(world, 3)).at(-1)).toMatchObject({ cause: null, outcome: 'enrolled' });
    expect(own.installed?.nodeName).toBe('blog-3');
  });
});

describe('a Lightsail instance whose CSR comes with the request', () => {
  it('is only hardened by its creation, and enrolled by the request, which is answered with the certificate', async () => {
    const world = await playLightsail('request');
    create(world, 'blog-4');
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { httpTokens: 'required' } });
    expect(ca.signed).not.toContain('blog-4');
    const { identity } = await makeNode('blog-4');
    startByHand(world, { lightsailInstanceName: 'blog-4', identity: { csr: identity.csr } });
    expect((await untilEnded(world, 2))[1]).toMatchObject({ outcome: 'enrolled' });
    const output = world.machines.executions()[1]?.outcome.output as { association: { certificate: string } };
    const certificate = new X509Certificate(output.association.certificate);
    expect(String(certificate.publicKey.export({ type: 'spki', format: 'pem' })).trim()).toBe(
      identity.publicKey.trim(),
    );
    expect(world.calls.filter(({ service }) => service === 'ssm')).toEqual([]);
    await retire(world, 'blog-4');
    expect(ca.signed).not.toContain('blog-4');
  });

  it('is refused with a CSR for another name, and with another key', async () => {
    const world = await playLightsail('request');
    create(world, 'blog-5');
    await untilOneEnded(world);
    const ask = async (name: string) => {
      const { csr } = (await makeNode(name)).identity;
      const count = world.machines.executions().length + 1;
      startByHand(world, { lightsailInstanceName: 'blog-5', identity: { csr } });
      await untilEnded(world, count);
      return world.machines.executions().at(-1)?.outcome.error;
    };
    expect(await ask('blog-6')).toBe('IdentityRejected');
    expect(await ask('blog-5')).toBeUndefined();
    expect(ca.signed).toContain('blog-5');
  });

  it('says that an EC2 instance may not bring its own', async () => {
    const world = await playLightsail();
    startByHand(world, { instanceId: 'i-0123456789abcdef0', identity: { csr: 'x' } });
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining('identity is for Lightsail only'),
    });
  });
});
