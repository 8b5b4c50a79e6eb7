import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SimulatedNode } from '../../world/machines/node.ts';
import { chefProfile, databaseProfile } from '../support/self-managed.ts';
import { chefClient } from '../support/servers/chef-client.ts';
import { type Goiardi, startGoiardi } from '../support/servers/goiardi.ts';
import { launchActions, type Played, playWorld, startByHand, untilEnded, untilOneEnded } from '../support/world.ts';

let goiardi: Goiardi;
beforeAll(async () => {
  goiardi = await startGoiardi();
});
afterAll(() => goiardi?.close());

/** The server outlives the worlds: each has other instances, and so other nodes. */
let seed = 0;

/** A world in which the group `database` belongs to the real server, and its nodes wait for their first run. */
function playWithChef(runAgent: (node: SimulatedNode) => Promise<void>): Promise<Played> {
  const { associate, secrets } = chefProfile(goiardi);
  const profiles = [databaseProfile({ ...associate, firstRun: 'wait' })];
  return playWorld({ seed: ++seed, profiles, secrets, nodes: { runAgent } });
}

/** Makes the node object with the key on the machine's disk, as chef-client's first run does. */
async function converge(node: SimulatedNode): Promise<void> {
  const ask = chefClient(goiardi, { clientName: node.instanceId, privateKey: await node.privateKeyPem() });
  const content = { name: node.instanceId, chef_type: 'node', json_class: 'Chef::Node', run_list: [] };
  const { status, text } = await ask('POST', '/nodes', content);
  if (status !== 201) throw new Error(`The server refuses the node object (${status}): ${text}`);
}

async function countOf(instance: string, kind: 'clients' | 'nodes'): Promise<number> {
  const { body } = await chefClient(goiardi, goiardi.admin)('GET', `/${kind}`);
  return Object.keys(body as object).filter((name) => name === instance).length;
}

describe('executions under a real Chef server', () => {
  it('that enrol one instance at the same moment make one client', async () => {
    const world = await playWithChef(converge);
    const [instance = ''] = world.autoScaling.launch('database', 1);
    startByHand(world, { instanceId: instance });
    startByHand(world, { instanceId: instance });
    const outcomes = (await untilEnded(world, 3)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === 'enrolled').length).toBeGreaterThan(1);
    expect(await countOf(instance, 'clients')).toBe(1);
    expect(launchActions(world)).toMatchObject([{ instanceId: instance, result: 'CONTINUE' }]);
  });

  it('wait while the server is down, and go on when it is back', async () => {
    const world = await playWithChef(converge);
    await goiardi.stop();
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await world.clock.advance(300_000);
    expect(world.machines.executions().map(({ status }) => status)).toEqual(['RUNNING']);
    await goiardi.restart();
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
    expect(await countOf(instance, 'nodes')).toBe(1);
  });

  it('let an instance into service only when its first run has succeeded', async () => {
    const world = await playWithChef(async () => {
      throw new Error('The cookbook does not compile.');
    });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      instance,
      outcome: 'failed',
      cause: expect.stringContaining('does not compile'),
    });
    expect(world.autoScaling.members.get(instance)?.lifecycleState).not.toBe('InService');
  });
});
