import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChefInfra } from '../../world/services/chef-infra/chef-infra.ts';
import { chefProfile, databaseProfile } from '../support/self-managed.ts';
import { changes, playWorld, statesOf, untilEnded, untilOneEnded } from '../support/world.ts';

let chef: ChefInfra;
let seed = 0;
beforeAll(async () => {
  chef = await ChefInfra.start();
});
afterAll(() => chef.close());

function playChef(changed: object = {}, secrets: Record<string, string> = {}) {
  const { associate, secrets: own } = chefProfile(chef);
  // The server is one, and each world's instances have names of their own.
  return playWorld({
    seed: ++seed,
    profiles: [databaseProfile({ ...associate, ...changed })],
    secrets: { ...own, ...secrets },
  });
}

describe('a launch under a Chef Infra Server of one’s own', () => {
  it('is a client with its own key, and its chef-client is told what to converge', async () => {
    const world = await playChef({ policyName: 'web', policyGroup: 'prod', firstRun: 'start' });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled', lifecycle: 'Pending:Proceed' });
    const node = world.fleet.get(instance);
    expect(chef.publicKeyOf(instance)?.trim()).toBe((await node?.publicKeyPem())?.trim());
    expect(chef.nodes).toEqual([]);
    expect(node?.agent).toMatchObject({
      agent: 'chef',
      settings: {
        ServerUrl: chef.url,
        TrustedCertificates: chef.certificate,
        ...{ PolicyName: 'web', PolicyGroup: 'prod', RunList: '', FirstRun: 'start' },
      },
    });
  });

  it('goes on after the restart that its first run has scheduled', async () => {
    const world = await playChef({ firstRun: 'wait' });
    const scheduled = { stdout: '{"installed":false,"restart":"scheduled"}\n', stderr: '', exitCode: 0 };
    world.systemsManager.disturb({ documentName: 'Muster-InstallChef-dev', outcome: scheduled, times: 2 });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await world.clock.advance(60_000);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('Pending:Wait');
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
    const states = world.machines.executions().flatMap(statesOf);
    expect(states.filter((state) => state === 'InstallCredentials')).toHaveLength(3);
    expect(states.filter((state) => state === 'AssociateNode')).toHaveLength(1);
  });

  it('is forgotten when it terminates', async () => {
    const world = await playChef();
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await untilOneEnded(world);
    await world.clock.advance(300_000);
    expect(chef.clients).toContain(instance);
    world.autoScaling.setDesiredCapacity('database', 0);
    await untilEnded(world, 3);
    await world.clock.advance(600_000);
    expect(chef.clients).not.toContain(instance);
    // This server answers at once, and nobody waits as for one that does not.
    expect(world.machines.executions().flatMap(statesOf)).not.toContainEqual(
      expect.stringMatching(/WaitFor(A|Disa)ssociation/),
    );
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });

  it('fails before anything is changed where the validator’s key is none', async () => {
    const world = await playChef({}, { 'chef/validator': 'hunter2' });
    world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining('The secret chef/validator holds no private key'),
    });
    expect(changes(world)).toEqual(['states.StartExecution']);
    expect(JSON.stringify(world.logs)).not.toContain('hunter2');
  });
});
