import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SimulatedNode } from '../../world/machines/node.ts';
import { makeNode } from '../support/make-node.ts';
import { databaseProfile, puppetProfile } from '../support/self-managed.ts';
import { type PuppetAgent, puppetAgent } from '../support/servers/puppet-agent.ts';
import { type RunningPuppetServer, startPuppetServer } from '../support/servers/puppet-server.ts';
import { handIn } from '../support/servers/puppet-stranger.ts';
import { launchActions, type Played, playWorld, startByHand, untilEnded, untilOneEnded } from '../support/world.ts';

let puppet: RunningPuppetServer;
let agent: PuppetAgent;
beforeAll(async () => {
  puppet = await startPuppetServer();
}, 240_000);
afterAll(() => puppet?.stop());
beforeEach(() => {
  agent = puppetAgent();
});
afterEach(() => agent.remove());

/** The server outlives the worlds: each has other instances, and so other nodes. */
let seed = 0;

/** A world in which the group `database` belongs to the real server. */
function playWithPuppet(firstRun: 'wait' | 'none'): Promise<Played> {
  const { associate, secrets } = puppetProfile(puppet);
  const profiles = [databaseProfile({ ...associate, firstRun, environment: 'production' })];
  return playWorld({ seed: ++seed, profiles, secrets, nodes: { runAgent: converge } });
}

/** The real agent, with the key on the machine's disk and what the workflow has sent it. */
async function converge(node: SimulatedNode): Promise<void> {
  const { exitCode, output } = await agent.install(node);
  if (exitCode !== 0) throw new Error(`${output}\n${agent.firstRunLog()}`);
}

describe('a launch under a real Puppet Server', () => {
  it('is in service once its agent has converged, and locked out once it is terminated', async () => {
    const world = await playWithPuppet('wait');
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled', cause: null });
    await world.clock.advance(60_000);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('InService');
    expect(agent.firstRunLog()).toContain(`converged by ${instance}`);
    expect((await agent.run()).exitCode).toBeOneOf([0, 2]);

    world.autoScaling.setDesiredCapacity('database', 0);
    await world.clock.advance(900_000);
    expect(puppet.signedNames()).not.toContain(instance);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
    // The server looks for a new revocation list every second or so.
    await expect.poll(async () => (await agent.run()).exitCode, { timeout: 60_000 }).toBe(1);
    expect((await agent.run()).output).toMatch(/certificate (unknown|revoked)/i);
  });

  it('has its own request signed where somebody else was first', async () => {
    const world = await playWithPuppet('none');
    const [instance = ''] = world.autoScaling.launch('database', 1);
    const squatter = await makeNode(instance);
    expect(await handIn(puppet, instance, squatter.identity.csr)).toMatch(/^200/);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
    const node = world.fleet.get(instance);
    const { publicKey } = new X509Certificate(node?.installed?.certificate ?? '');
    expect(publicKey.export({ type: 'spki', format: 'pem' })).toBe(await node?.publicKeyPem());
    expect(puppet.issued(instance)).toBe(1);
  });

  it('that two executions enrol at the same moment has one certificate', async () => {
    const world = await playWithPuppet('none');
    const [instance = ''] = world.autoScaling.launch('database', 1);
    startByHand(world, { instanceId: instance });
    startByHand(world, { instanceId: instance });
    const outcomes = (await untilEnded(world, 3)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === 'enrolled').length).toBeGreaterThan(1);
    expect(puppet.issued(instance)).toBe(1);
    expect(launchActions(world)).toMatchObject([{ instanceId: instance, result: 'CONTINUE' }]);
  });

  it('fails for good where the server does not let Muster in, and says which rule is missing', async () => {
    const { associate, secrets } = puppetProfile({ ...puppet, enrol: puppet.stranger });
    const world = await playWorld({ seed: ++seed, profiles: [databaseProfile(associate)], secrets });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringMatching(new RegExp(`does not let stranger GET .*/${instance} .*auth\\.conf`)),
    });
    expect(puppet.issued(instance)).toBe(0);
  });
});
