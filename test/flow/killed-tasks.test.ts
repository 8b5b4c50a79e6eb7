import { afterAll, describe, expect, it } from 'vitest';
import { readProfiles } from '../../profiles/file.ts';
import { PuppetCa } from '../../world/services/puppet-ca.ts';
import { TaskFailure } from '../../world/states/task-failure.ts';
import { makeNode } from '../support/make-node.ts';
import { puppetProfile } from '../support/self-managed.ts';
import { sampled } from '../support/size.ts';
import {
  changes,
  definitionOf,
  enrolments,
  finalState,
  killOnce,
  launchActions,
  MAINTENANCE_SECONDS,
  type Played,
  playWorld,
  startByHand,
  untilEnded,
  untilOneEnded,
} from '../support/world.ts';

/** What comes after a failure has tests of its own. */
const AFTER_FAILURE = ['DecideFailure', 'ReleaseLaunch', 'UndoEnrolment', 'ReportFailure'];
/** Only a node that moves enters it: test/flow/harm/move.test.ts. */
const AFTER_MOVE = ['LeaveFormerServers'];
const tasks = tasksOf('enrol-node').filter(([state]) => ![...AFTER_FAILURE, ...AFTER_MOVE].includes(state));

/** The functions of a state machine, by the names of their states. */
function tasksOf(machineName: string): [state: string, functionName: string][] {
  return Object.entries(definitionOf(machineName))
    .filter(([, { Type }]) => Type === 'Task')
    .map(([state, { Resource = '' }]) => [state, Resource.split(':').at(-1) ?? '']);
}

const ca = await PuppetCa.start({ managed: /^(i-|blog$)/ });
afterAll(() => ca.close());
const { associate, secrets } = puppetProfile(ca);
const { csr } = (await makeNode('blog')).identity;

/** Those that are shipped, with a Puppet Server of one's own for what has none. */
const profiles = readProfiles('profiles.yml').map((profile) => {
  if (profile.name === 'batch') return { ...profile, associate };
  return profile.match.lightsail ? { ...profile, associate, csrFrom: 'request' as const } : profile;
});

/** A launch under each engine and a Lightsail creation, with servers that are busy at first: every state has its turn. */
async function playEverything(disturb: (world: Played) => void = () => {}) {
  ca.reset();
  const world = await playWorld({ profiles, secrets });
  world.opsWorksCm.maintenance('ChefServer', MAINTENANCE_SECONDS);
  world.opsWorksCm.maintenance('PuppetServer', MAINTENANCE_SECONDS);
  disturb(world);
  world.autoScaling.launch('web', 1);
  world.autoScaling.launch('database', 1);
  world.autoScaling.launch('batch-nightly', 1);
  void world.lightsail.createInstances(
    { instanceNames: ['blog'], availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' },
    { requestId: 'by-the-test' },
  );
  await untilEnded(world, 4);
  startByHand(world, { lightsailInstanceName: 'blog', identity: { csr } });
  await untilEnded(world, 5);
  return { world, state: { ...(await finalState(world)), signed: ca.signed.toSorted() } };
}

const undisturbed = await playEverything();

describe('a task that is killed after its API call, and run again', () => {
  it.each(sampled(tasks, 4))('%s: ends in the same final state', async (state, name) => {
    let kill = { happened: false };
    const { world, state: final } = await playEverything((played) => {
      kill = killOnce(played, name);
    });
    expect(kill.happened, `${state} was killed`).toBe(true);
    expect(final).toEqual(undisturbed.state);
    expect(enrolments(world).filter(({ outcome }) => outcome === 'failed')).toEqual([]);
    expect(changes(world).filter((change) => change === 'opsworks.RegisterInstance')).toHaveLength(1);
  });

  it('start-enrolment: starts nothing twice', async () => {
    const { state } = await playEverything((played) => killOnce(played, 'muster-dev-start-enrolment'));
    expect(state).toEqual(undisturbed.state);
  });

  it.each(['decide-failure', 'report-failure'])('%s: fails the same', async (task) => {
    const world = await playWorld();
    world.opsWorksCm.setStatus('ChefServer', 'FAILED');
    const kill = killOnce(world, `muster-dev-${task}`);
    world.autoScaling.launch('web', 1);
    const failed = await untilOneEnded(world);
    expect(kill.happened).toBe(true);
    expect(failed.cause).toContain('The server ChefServer is FAILED');
    expect(await world.ledger()).toMatchObject([{ status: 'failed', lastError: failed.cause }]);
    expect(launchActions(world)).toMatchObject([{ result: undefined }]);
  });
});

describe('ReleaseLaunch, killed after it has abandoned the launch', () => {
  it('counts one abandon, undoes the enrolment, and reports the launch as abandoned', async () => {
    const abandoning = profiles.map((profile) => ({ ...profile, onFailure: 'abandon' as const }));
    const world = await playWorld({ profiles: abandoning, secrets });
    world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException', times: 1 }]);
    const kill = killOnce(world, 'muster-dev-release-launch');
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(30 * 60_000);
    expect(kill.happened).toBe(true);
    expect(enrolments(world)[0]?.cause).toContain('Its launch is abandoned, and Auto Scaling replaces it.');
    const ledger = await world.ledger();
    expect(ledger.find((item) => item.instance === instance)).toMatchObject({ status: 'retired' });
    expect(ledger.find((item) => String(item.instance).startsWith('group/'))).toMatchObject({
      abandons: [{ instance }],
    });
  });
});

describe('RegisterInstance, which knows no client token', () => {
  it('is tried again at once where it was throttled: a refusal has registered nothing', async () => {
    const world = await playWorld();
    world.faults.set([{ service: 'opsworks', operation: 'RegisterInstance', error: 'ThrottlingException', times: 1 }]);
    world.autoScaling.launch('web', 1);
    const enrolment = await untilOneEnded(world);
    expect(enrolment).toMatchObject({ outcome: 'enrolled', attempts: { RegisterInstance: 2 } });
    expect(changes(world).filter((change) => change === 'opsworks.RegisterInstance')).toHaveLength(2);
  });

  it.each(
    sampled(
      [
        ['its answer is dropped', { drop: true, after: true, times: 1 }],
        ['it answers 500 after it has registered', { statusCode: 500, after: true, times: 1 }],
        ['it is throttled', { error: 'ThrottlingException', times: 4 }],
        ['it is dropped before it has registered', { drop: true, times: 2 }],
      ],
      2,
    ),
  )('registers once when %s', async (_what, fault) => {
    const { state } = await playEverything(({ faults }) =>
      faults.set([{ service: 'opsworks', operation: 'RegisterInstance', ...fault }]),
    );
    expect(state).toEqual(undisturbed.state);
  });

  it('registers once when its function is killed before it has called', async () => {
    let killed = false;
    const { state } = await playEverything(({ lambda }) => {
      lambda.interceptor = async (invocation, next) => {
        if (killed || !invocation.functionName.endsWith('register-instance')) return next();
        killed = true;
        throw new TaskFailure('Sandbox.Timedout', 'The function was killed.');
      };
    });
    expect(killed).toBe(true);
    expect(state).toEqual(undisturbed.state);
  });
});
