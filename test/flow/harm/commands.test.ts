import { describe, expect, it } from 'vitest';
import { readProfiles } from '../../../profiles/file.ts';
import type { CommandResult } from '../../../world/services/ssm/documents.ts';
import { sampled } from '../../support/size.ts';
import { changes, launchActions, type Played, playWorld, statesOf, untilOneEnded } from '../../support/world.ts';

const ABANDONING = readProfiles('profiles.yml').map((profile) => ({ ...profile, onFailure: 'abandon' as const }));

/** The agent or its delivery failed: the node itself has not answered. */
const AGENT_FAILURES: [what: string, outcome: CommandResult][] = [
  ['ends with -1 and prints nothing', { stdout: '', stderr: '', exitCode: -1 }],
  ['ends with -1 and half an output', { stdout: '', stderr: 'openssl req', exitCode: -1 }],
  [
    'reports that its document process failed',
    { stdout: 'document process failed unexpectedly, check [ssm-document-worker] log', stderr: '', exitCode: 1 },
  ],
  [
    'is undeliverable',
    { stdout: '', stderr: '', exitCode: -1, verdict: { status: 'Failed', details: 'Undeliverable' } },
  ],
  ['is terminated', { stdout: '', stderr: '', exitCode: 1, verdict: { status: 'Failed', details: 'Terminated' } }],
  [
    'times out on its way',
    { stdout: '', stderr: '', exitCode: 1, verdict: { status: 'TimedOut', details: 'Delivery Timed Out' } },
  ],
  [
    'times out while it runs',
    { stdout: '', stderr: '', exitCode: 1, verdict: { status: 'TimedOut', details: 'ExecutionTimedOut' } },
  ],
  ['is killed', { stdout: '', stderr: 'Killed\n', exitCode: 137 }],
  ['is asked to stop', { stdout: '', stderr: 'Terminated\n', exitCode: 143 }],
];

async function play(documentName: string, outcome: CommandResult, times?: number) {
  const world = await playWorld({ profiles: ABANDONING });
  world.systemsManager.disturb({ documentName, outcome, ...(times && { times }) });
  const [instance = ''] = world.autoScaling.launch('database', 1);
  return { world, instance, ended: await untilOneEnded(world) };
}

function rejections(world: Played): unknown[] {
  return world.logs.filter((line) => 'IdentitiesRejected' in line);
}

function isFor(instance: string, input: unknown): boolean {
  return (input as { InstanceIds: string[] }).InstanceIds.includes(instance);
}

function sendings(world: Played): string[] {
  return changes(world).filter((call) => call === 'ssm.SendCommand');
}

describe.each(['Muster-CollectIdentity-dev', 'Muster-InstallCredentials-dev'])('the command %s', (documentName) => {
  it.each(sampled(AGENT_FAILURES, 2))('is sent again when it %s', async (_what, outcome) => {
    const { world, ended } = await play(documentName, outcome, 1);
    expect(ended).toMatchObject({ outcome: 'enrolled' });
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE' }]);
    expect(rejections(world)).toEqual([]);
    // The one that was lost, and the two of a good enrolment.
    expect(sendings(world).length).toBeGreaterThan(2);
  });
});

describe('a command that failed at the agent', () => {
  it('is sent again within two minutes, by way of KeepWaiting', async () => {
    const { world } = await play('Muster-CollectIdentity-dev', { stdout: '', stderr: '', exitCode: -1 }, 1);
    const [execution] = world.machines.executions();
    const states = execution ? statesOf(execution) : [];
    expect(states.slice(states.indexOf('KeepWaiting'))).toEqual(
      expect.arrayContaining(['Pause', 'RequestIdentity', 'CollectIdentity', 'FinishLaunch']),
    );
    const asked = (execution?.events ?? [])
      .filter(({ type, details }) => type === 'TaskStateEntered' && details?.name === 'RequestIdentity')
      .map(({ at }) => at);
    expect(asked).toHaveLength(2);
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeLessThan(120_000);
  });

  it('is sent again until the deadline, which is no verdict on the identity', async () => {
    const world = await playWorld();
    world.systemsManager.disturb({ outcome: { stdout: '', stderr: '', exitCode: -1 } });
    world.autoScaling.launch('batch-nightly', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed' });
    expect(world.machines.executions()[0]?.outcome.error).toBe('DeadlinePassed');
    expect(sendings(world).length).toBeGreaterThan(5);
    expect(rejections(world)).toEqual([]);
  });
});

describe('an answer of the node itself', () => {
  it('is final: a script that ends with an error of its own is not sent again', async () => {
    const outcome = { stdout: '', stderr: 'openssl: command not found\n', exitCode: 1 };
    const { world, instance, ended } = await play('Muster-CollectIdentity-dev', outcome);
    expect(ended.cause).toContain(
      `${instance} could not make its CSR; its script printed "openssl: command not found".`,
    );
    // The launch is abandoned, and its replacement is sent a command of its own.
    const sent = world.calls.filter(
      ({ operation, input, error }) => operation === 'SendCommand' && !error && isFor(instance, input),
    );
    expect(sent).toHaveLength(1);
    expect(rejections(world)).toHaveLength(1);
  });
});

describe('a Windows node', () => {
  it('is recognized by its answer and held, which is no verdict on its identity', async () => {
    const world = await playWorld({ profiles: ABANDONING });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await world.clock.advance(1000);
    Object.assign(world.fleet.get(instance) ?? {}, { platformType: 'Windows' });
    const { cause } = await untilOneEnded(world);
    expect(cause).toContain(
      `${instance} does not run Linux, and Muster enrols Linux nodes only. Leave it out of the profile's match, or exempt it from association.`,
    );
    expect(world.machines.executions()[0]?.outcome.error).toBe('InvalidRequest');
    expect(launchActions(world)).toMatchObject([{ result: undefined }]);
    expect(rejections(world)).toEqual([]);
  });

  it('is recognized by the inventory, and sent nothing, where it is a managed Lightsail instance', async () => {
    const associate = { engine: 'opsworks-cm', serverName: 'ChefServer', serverEngine: 'ChefAutomate' } as const;
    const profiles = ABANDONING.map((profile) => (profile.match.lightsail ? { ...profile, associate } : profile));
    const world = await playWorld({ profiles, nodes: { agentUpAfterSeconds: 5 } });
    const image = { availabilityZone: 'eu-west-1a', blueprintId: 'windows_server_2022', bundleId: 'nano_3_0' };
    void world.lightsail.createInstances({ ...image, instanceNames: ['blog'] }, { requestId: 'by-the-test' });
    await world.clock.advance(30_000);
    Object.assign(world.activate('blog'), { platformType: 'Windows' });
    const { cause } = await untilOneEnded(world);
    expect(cause).toContain('does not run Linux, and Muster enrols Linux nodes only.');
    expect(sendings(world)).toEqual([]);
    expect(rejections(world)).toEqual([]);
  });
});
