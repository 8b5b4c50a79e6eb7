import { describe, expect, it } from 'vitest';
import { readDeployment } from '../../local/deployment.ts';
import { type Played, playWorld, untilEnded } from '../support/world.ts';

const SECRET = /PRIVATE KEY/;
const PEM = /-----BEGIN/;

/** The log lines, without the metrics that share their stream. */
function lines(world: Played) {
  return world.logs.filter((line) => '_aws' in line === false);
}

/** How often a metric was emitted, and what its values add up to. */
function metric(world: Played, name: string) {
  const values = world.logs.flatMap((line) => ('_aws' in line && name in line ? [Number(line[name])] : []));
  return { count: values.length, sum: values.reduce((sum, value) => sum + value, 0) };
}

/** The names of a state machine's Task states. */
function tasksOf(definition: unknown): string[] {
  const { States } = definition as { States: Record<string, { Type: string }> };
  return Object.keys(States).filter((name) => States[name]?.Type === 'Task');
}

/** One that is enrolled under Puppet, one that fails, one that is nobody's; their Launch Successful is ignored too. */
async function playAll(): Promise<Played> {
  const world = await playWorld();
  world.opsWorksCm.setStatus('ChefServer', 'FAILED');
  world.autoScaling.launch('database', 1);
  world.autoScaling.launch('web', 1);
  world.autoScaling.launch('analytics', 1);
  await untilEnded(world, 2);
  await world.clock.advance(60_000);
  return world;
}

describe('the log of an enrolment', () => {
  it('has the instance, the execution and the request id in each line', async () => {
    const world = await playAll();
    const ofTasks = lines(world).filter(
      ({ function_name }) => !/-(start-enrolment|watch)$/.test(String(function_name)),
    );
    expect(ofTasks.length).toBeGreaterThan(20);
    for (const line of ofTasks)
      expect(line).toMatchObject({
        instance: expect.stringMatching(/^i-[0-9a-f]{17}$/),
        execution: expect.stringContaining(':execution:muster-dev-enrol-node:'),
        function_request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        state: expect.any(String),
      });
  });

  it('has the instance in each line of its retirement too, whichever state wrote it', async () => {
    const world = await playWorld();
    world.autoScaling.launch('web', 1);
    await untilEnded(world, 1);
    await world.clock.advance(60_000);
    world.autoScaling.setDesiredCapacity('web', 0);
    await untilEnded(world, 3);
    const ofRetirement = lines(world).filter(({ execution }) => String(execution).includes('muster-dev-retire-node'));
    const states = new Set(ofRetirement.map(({ state }) => state));
    const machine = readDeployment().stateMachines.find(({ name }) => name === 'muster-dev-retire-node');
    expect(states).toEqual(new Set(tasksOf(machine?.definition).filter((state) => state !== 'ReportRemains')));
    for (const line of ofRetirement)
      expect(line).toMatchObject({ instance: expect.stringMatching(/^i-[0-9a-f]{17}$/) });
  });

  it('says once for each event what became of it', async () => {
    const world = await playAll();
    const started = lines(world).filter(({ message }) => message === 'Enrolment started');
    expect(started.map(({ instance }) => instance)).toHaveLength(world.machines.executions().length);
    expect(lines(world)).toContainEqual(
      expect.objectContaining({ message: 'Ignored', reason: expect.stringContaining('analytics-warm-up') }),
    );
  });

  it('holds no key, no CSR and no certificate', async () => {
    const world = await playAll();
    for (const line of world.logs) expect(JSON.stringify(line)).not.toMatch(PEM);
  });
});

describe('what anybody may read', () => {
  it('of an execution and of the ledger holds no private key', async () => {
    const world = await playAll();
    expect(JSON.stringify(world.machines.executions().map(({ events, outcome }) => ({ events, outcome })))).not.toMatch(
      SECRET,
    );
    expect(JSON.stringify(await world.ledger())).not.toMatch(PEM);
    expect(JSON.stringify(world.calls)).not.toMatch(SECRET);
  });

  it('of a failure in the log does not quote the CSR that a service sent back', async () => {
    const world = await playWorld();
    const message = `Bad request: ${['-----BEGIN CERTIFICATE REQUEST-----', 'MIIB', '-----END CERTIFICATE REQUEST-----'].join('\n')}`;
    world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException', message }]);
    world.autoScaling.launch('database', 1);
    await untilEnded(world, 1);
    expect(lines(world)).toContainEqual(expect.objectContaining({ error: 'AssociationFailed' }));
    for (const line of world.logs) expect(JSON.stringify(line)).not.toMatch(PEM);
  });
});

describe('the metrics', () => {
  it('count each enrolment once: started, succeeded, failed, ignored', async () => {
    const world = await playAll();
    expect(metric(world, 'EnrolmentsStarted')).toEqual({ count: 2, sum: 2 });
    expect(metric(world, 'EnrolmentsSucceeded')).toEqual({ count: 1, sum: 1 });
    expect(metric(world, 'EnrolmentsFailed')).toEqual({ count: 1, sum: 1 });
    const ignored = lines(world).filter(({ message }) => message === 'Ignored');
    expect(metric(world, 'EnrolmentsIgnored').count).toBe(ignored.length);
  });

  it('tell retries by state', async () => {
    const world = await playAll();
    const states = world.logs.filter((line) => '_aws' in line && 'Retries' in line).map(({ state }) => state);
    expect(states).toContain('DescribeInstance');
    expect(metric(world, 'Retries').count).toBe(lines(world).filter(({ retryCount }) => Number(retryCount) > 0).length);
  });

  it('tell the seconds from the launch to the end of the enrolment', async () => {
    const world = await playAll();
    const { count, sum } = metric(world, 'SecondsToManaged');
    const [enrolled] = world.machines.executions();
    expect(count).toBe(1);
    const seconds = ((enrolled?.stoppedAt ?? 0) - (enrolled?.startedAt ?? 0)) / 1000;
    // The launch is announced three seconds after it.
    expect(sum).toBeGreaterThanOrEqual(seconds);
    expect(sum).toBeLessThan(seconds + 5);
  });
});
