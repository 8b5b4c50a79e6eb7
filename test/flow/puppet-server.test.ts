import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PuppetServer } from '../../lib/servers.ts';
import type { WorldOptions } from '../../local/world.ts';
import { PuppetCa } from '../../world/services/puppet-ca.ts';
import { databaseProfile, puppetProfile } from '../support/self-managed.ts';
import { changes, nameOf, type Played, playWorld, untilEnded, untilOneEnded } from '../support/world.ts';

let ca: PuppetCa;
let seed = 0;
beforeAll(async () => {
  ca = await PuppetCa.start();
});
afterAll(() => ca.close());

type Changes = Partial<PuppetServer> & { secrets?: Record<string, string>; nodes?: WorldOptions['nodes'] };

function playPuppet({ secrets = {}, nodes, ...changed }: Changes = {}): Promise<Played> {
  const puppet = puppetProfile(ca);
  return playWorld({
    // The CA is one, and each world's instances have names of their own.
    seed: ++seed,
    profiles: [databaseProfile({ ...puppet.associate, ...changed })],
    secrets: { ...puppet.secrets, ...secrets },
    ...(nodes && { nodes }),
  });
}

const installations = ({ calls }: Played) =>
  calls.filter((call) => nameOf(call) === 'ssm.SendCommand' && JSON.stringify(call.input).includes('Install'));

describe('a launch under a Puppet Server of one’s own', () => {
  it('has its request signed for its own key, and its agent told its server', async () => {
    const world = await playPuppet({ environment: 'staging' });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled', lifecycle: 'Pending:Proceed' });
    const node = world.fleet.get(instance);
    const certificate = new X509Certificate(node?.installed?.certificate ?? '');
    expect(certificate.subject).toBe(`CN=${instance}`);
    expect(certificate.publicKey.export({ type: 'spki', format: 'pem' })).toBe(await node?.publicKeyPem());
    expect(certificate.verify(new X509Certificate(ca.caCertificate).publicKey)).toBe(true);
    expect(node?.agent).toMatchObject({
      agent: 'puppet',
      settings: { Server: 'localhost', ServerPort: new URL(ca.url).port, Environment: 'staging', FirstRun: 'none' },
    });
    expect(ca.signed).toContain(instance);
  });

  it('is revoked and forgotten when it terminates', async () => {
    const world = await playPuppet();
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await untilOneEnded(world);
    await world.clock.advance(300_000);
    const heardBefore = ca.heard.length;
    world.autoScaling.setDesiredCapacity('database', 0);
    await untilEnded(world, 3);
    await world.clock.advance(600_000);
    expect(ca.signed).not.toContain(instance);
    const decided = ca.heard.slice(heardBefore).flatMap((request) => / (PUT|DELETE) /.exec(` ${request}`)?.[1] ?? []);
    expect(decided).toEqual(['PUT', 'DELETE']);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });

  it('waits for a server that is down, and is enrolled when it is up', async () => {
    const world = await playPuppet();
    ca.isDown = true;
    world.autoScaling.launch('database', 1);
    await world.clock.advance(30 * 60_000);
    expect(world.machines.executions().map(({ status }) => status)).toEqual(['RUNNING']);
    ca.isDown = false;
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
  });

  it('shows no private key to its history and to its logs', async () => {
    const world = await playPuppet();
    world.autoScaling.launch('database', 1);
    await untilOneEnded(world);
    const told = JSON.stringify([world.logs, world.machines.executions().map(({ events }) => events)]);
    expect(told).toContain('BEGIN CERTIFICATE');
    expect(told).not.toContain('PRIVATE KEY');
  });
});

describe('a secret that', () => {
  const pair = () => ({ certificate: ca.enrol.certificate, privateKey: ca.enrol.privateKey });
  it.each([
    ['is missing', { keySecret: 'puppet/enroll' }, 'There is no secret puppet/enroll'],
    ['retires and is missing', { retireKeySecret: 'puppet/gone' }, 'There is no secret puppet/gone'],
    ['is no JSON', { secrets: { 'puppet/enrol': 'hunter2' } }, 'The secret puppet/enrol is not what it should be'],
    ['has no certificate of a CA', { secrets: { 'puppet/ca': 'hunter2' } }, 'The secret puppet/ca is not what it'],
  ])('%s is named before anything is changed', async (_what, changed: Changes, sentence) => {
    const world = await playPuppet(changed);
    world.autoScaling.launch('database', 1);
    const failed = await untilOneEnded(world);
    expect(failed).toMatchObject({ outcome: 'failed', cause: expect.stringContaining(sentence) });
    expect(world.machines.executions()[0]?.outcome.error).toBe('InvalidRequest');
    expect(changes(world)).toEqual(['states.StartExecution']);
    expect(JSON.stringify(world.logs)).not.toContain('hunter2');
  });

  it.each(['DescribeSecret', 'GetSecretValue'])('one look of %s misses is looked for again', async (operation) => {
    const world = await playPuppet();
    world.faults.set([{ service: 'secretsmanager', operation, error: 'ResourceNotFoundException', times: 1 }]);
    world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
    expect(world.faults.list()).toEqual([]);
  });

  it('was mended lets the next launch pass', async () => {
    const world = await playPuppet({ secrets: { 'puppet/enrol': '{}' } });
    world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed' });
    world.secretsManager.put('puppet/enrol', JSON.stringify(pair()));
    world.autoScaling.launch('database', 1);
    expect((await untilEnded(world, 2))[1]).toMatchObject({ outcome: 'enrolled' });
  });

  it('is not needed is not looked at', async () => {
    const world = await playWorld();
    world.autoScaling.launch('web', 1);
    expect((await untilOneEnded(world)).attempts).not.toHaveProperty('CheckRequest');
  });
});

describe('a first run that is waited for', () => {
  it('keeps the instance out of service for as long as it takes, and is started once', async () => {
    const world = await playPuppet({ firstRun: 'wait' });
    world.systemsManager.disturb({ documentName: 'Muster-InstallCredentials-dev', slowerBySeconds: 40 * 60 });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await world.clock.advance(30 * 60_000);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('Pending:Wait');
    const enrolled = await untilOneEnded(world);
    expect(enrolled).toMatchObject({ outcome: 'enrolled' });
    expect(enrolled.seconds).toBeGreaterThan(40 * 60);
    expect(installations(world)).toHaveLength(1);
  });

  it('fails the enrolment when it fails', async () => {
    const runAgent = async () => {
      throw new Error('the first run of Puppet’s agent ended with exit code 4');
    };
    const world = await playPuppet({ firstRun: 'wait', nodes: { runAgent } });
    world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining('ended with exit code 4'),
    });
  });

  it('is sent again when its command was lost', async () => {
    const world = await playPuppet({ firstRun: 'wait' });
    // The node goes dark in the middle of it, and its command times out after an hour.
    world.systemsManager.disturb({ documentName: 'Muster-InstallCredentials-dev', slowerBySeconds: 60, times: 1 });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    while (installations(world).length === 0) await world.clock.advance(1000);
    await world.clock.advance(10_000);
    world.fleet.get(instance)?.shutDown();
    await world.clock.advance(90 * 60_000);
    world.fleet.get(instance)?.boot();
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
    expect(installations(world).length).toBeGreaterThan(1);
  });
});
