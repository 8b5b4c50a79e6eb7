import { afterAll, describe, expect, it } from 'vitest';
import type { WorldOptions } from '../../local/world.ts';
import { readProfiles } from '../../profiles/file.ts';
import { PuppetCa } from '../../world/services/puppet-ca.ts';
import { TaskFailure } from '../../world/states/task-failure.ts';
import { makeNode } from '../support/make-node.ts';
import { databaseProfile, puppetProfile } from '../support/self-managed.ts';
import { sampled } from '../support/size.ts';
import {
  associations,
  callsOfHandlers,
  definitionOf,
  ledgerOfInstances,
  MAINTENANCE_SECONDS,
  type Played,
  playWorld,
  registrations,
  startByHand,
  statesOf,
} from '../support/world.ts';

const MINUTE = 60_000;

interface Scenario {
  readonly options?: Partial<WorldOptions>;
  readonly launch: (world: Played) => void;
  /** Nobody has any use for the instance any more. */
  readonly remove: (world: Played) => void;
}

const ca = await PuppetCa.start({ managed: /^(i-|blog$)/ });
afterAll(() => ca.close());
const { associate, secrets } = puppetProfile(ca);
const { csr } = (await makeNode('blog')).identity;

function ofGroup(group: string, prepare: (world: Played) => void, options: Partial<WorldOptions> = {}): Scenario {
  return {
    options,
    launch(world) {
      prepare(world);
      world.autoScaling.launch(group, 1);
    },
    remove: ({ autoScaling }) => void autoScaling.setDesiredCapacity(group, 0),
  };
}

/** The server refuses every node, for good. */
function refuseNodes({ faults }: Played): void {
  faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' }]);
}

/** The first six attempts of these tasks fail with these errors: more than a state makes at once. */
function failTasks({ lambda }: Played, errors: Readonly<Record<string, string>>): void {
  const attempts: Record<string, number> = {};
  lambda.interceptor = async ({ functionName }, next) => {
    const task = functionName.replace('muster-dev-', '');
    attempts[task] = (attempts[task] ?? 0) + 1;
    const error = errors[task];
    if (error !== undefined && attempts[task] <= 6) throw new TaskFailure(error, '{}');
    return next();
  };
}

const requestId = 'by-the-test';
const LIGHTSAIL: Scenario = {
  options: {
    profiles: [{ ...databaseProfile(associate), match: { lightsail: '*' }, csrFrom: 'request' }],
    secrets,
  },
  launch(world) {
    const image = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
    void world.lightsail.createInstances({ ...image, instanceNames: ['blog'] }, { requestId });
    startByHand(world, { lightsailInstanceName: 'blog', identity: { csr } });
  },
  remove: ({ lightsail }) => void lightsail.deleteInstance({ instanceName: 'blog' }, { requestId }),
};

/** Launches that together pass through every state of an enrolment. */
const SCENARIOS: readonly Scenario[] = [
  ofGroup('database', () => {}),
  ofGroup('web', ({ opsWorksCm }) => opsWorksCm.maintenance('ChefServer', MAINTENANCE_SECONDS)),
  ofGroup('web', (world) => {
    world.opsWorksCm.maintenance('ChefServer', 20 * 60);
    failTasks(world, { 'keep-waiting': 'Lambda.Unknown' });
  }),
  ofGroup('web', (world) => {
    refuseNodes(world);
    failTasks(world, { 'decide-failure': 'Lambda.Unknown', 'report-failure': 'Lambda.Unknown' });
  }),
  ofGroup('web', (world) => {
    refuseNodes(world);
    failTasks(world, { 'decide-failure': 'PermissionDenied', 'report-failure': 'PermissionDenied' });
  }),
  ofGroup('web', refuseNodes, {
    profiles: readProfiles('profiles.yml').map((profile) => ({ ...profile, onFailure: 'abandon' as const })),
  }),
  ofGroup('database', () => {}, { profiles: [databaseProfile(associate)], secrets }),
  ofGroup('database', () => {}, {
    profiles: [{ ...databaseProfile(associate), match: { tags: { role: 'database' } } }],
    secrets,
  }),
  LIGHTSAIL,
];

/** Plays a scenario; `onEntered` hears of each state that an enrolment enters. */
async function begin({ options, launch }: Scenario, onEntered: (state: string, world: Played) => void) {
  ca.reset();
  const world: Played = await playWorld({
    ...options,
    onHistory: ({ machine }, { type, details }) => {
      if (!machine.name.endsWith('enrol-node') || !type.endsWith('StateEntered')) return;
      onEntered((details as { name: string }).name, world);
    },
  });
  launch(world);
  return world;
}

/** The scenario in which each state has its turn. */
const scenarioOf = new Map<string, Scenario>();
for (const scenario of SCENARIOS) {
  const world = await begin(scenario, (state) => {
    if (!scenarioOf.has(state)) scenarioOf.set(state, scenario);
  });
  await world.clock.advance(60 * MINUTE);
}

// Only a node that moves enters them, after its launch: test/flow/harm/move.test.ts plays that.
const LEAVING = ['LeaveFormerServers', 'IsLeavingDelayed', 'PauseBeforeLeaving'];
const states = Object.entries(definitionOf('enrol-node')).filter(([state]) => !LEAVING.includes(state));
const tasks = states.filter(([, { Type }]) => Type === 'Task').map(([state]) => state);

/** What of the node could be anywhere: nothing is, and nothing comes after the ledger has said so. */
async function expectNothingLeft(world: Played): Promise<void> {
  // A server that is beyond hope forgets nothing; once it is restored, the retirement is started again.
  world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
  for (const { status, inputText } of world.machines.executions(world.retireNodeArn))
    if (status === 'FAILED') world.machines.start({ stateMachineArn: world.retireNodeArn, input: inputText });
  await world.clock.advance(60 * MINUTE);
  expect(associations(world)).toEqual([]);
  expect(registrations(world)).toEqual([]);
  expect(ca.signed).toEqual([]);
  expect(world.ec2.snapshot().instances.filter(({ State }) => State?.Name !== 'terminated')).toEqual([]);
  expect(world.machines.executions().filter(({ status }) => status === 'RUNNING')).toEqual([]);
  const items = await ledgerOfInstances(world);
  expect(items.length).toBeGreaterThan(0);
  for (const item of items) {
    expect(item).toMatchObject({ status: 'retired', expiresAt: expect.any(Number) });
    expect(writesAfter(world, String(item.endedAt))).toEqual([]);
  }
  expect(world.lambda.deadLetters).toEqual([]);
}

/** Instants in the ledger are whole milliseconds. */
function writesAfter(world: Played, endedAt: string): string[] {
  return callsOfHandlers(world)
    .filter(({ service, instant }) => /opsworks|ssm|ec2/.test(service) && Math.floor(instant) > Date.parse(endedAt))
    .filter(({ operation }) => !/^(Describe|Get)/.test(operation))
    .map(({ operation }) => operation);
}

describe('an instance that is terminated', () => {
  it('can be met in every state of its enrolment', () => {
    expect([...scenarioOf.keys()].sort()).toEqual(states.map(([state]) => state).sort());
  });

  it.each(sampled(states, 8).map(([state]) => state))(
    'as its enrolment enters %s leaves nothing behind',
    async (state) => {
      const scenario = scenarioOf.get(state) as Scenario;
      let isMet = false;
      const world = await begin(scenario, (entered, played) => {
        if (isMet || entered !== state) return;
        isMet = true;
        scenario.remove(played);
      });
      await world.clock.advance(60 * MINUTE);
      expect(isMet).toBe(true);
      await expectNothingLeft(world);
    },
  );

  it.each(sampled(tasks, 4))('while the API calls of %s are on their way leaves nothing behind', async (state) => {
    const scenario = scenarioOf.get(state) as Scenario;
    const functionName = definitionOf('enrol-node')[state]?.Resource?.split(':').at(-1);
    const world = await begin(scenario, () => {});
    let isMet = false;
    world.lambda.interceptor = async (invocation, next) => {
      if (isMet || invocation.functionName !== functionName) return next();
      isMet = true;
      // What the task calls first is done long after the group has let the instance go; all others are as fast as ever.
      world.faults.set(SERVICES.map((service) => ({ service, delaySeconds: 9, times: 1 })));
      world.clock.at(world.clock.now() + 100, () => {
        world.faults.set([]);
        scenario.remove(world);
      });
      return next();
    };
    await world.clock.advance(60 * MINUTE);
    expect(isMet).toBe(true);
    await expectNothingLeft(world);
    expect(world.machines.executions(world.enrolNodeArn).flatMap(statesOf)).toContain(state);
  });
});

const SERVICES = [
  'autoscaling',
  'dynamodb',
  'ec2',
  'lightsail',
  'opsworks',
  'opsworks-cm',
  'secretsmanager',
  'ssm',
  'events',
];
