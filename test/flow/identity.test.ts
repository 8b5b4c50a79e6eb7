import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ClaimedElsewhere } from '../../lib/errors.ts';
import { readProfiles } from '../../profiles/file.ts';
import { bindKey } from '../../services/key-bindings.ts';
import { claim, findItem } from '../../services/ledger.ts';
import { ACCOUNT_ID } from '../../world/kernel/account.ts';
import { IdentitySigner, identityDocument } from '../../world/machines/identity.ts';
import { SimulatedNode } from '../../world/machines/node.ts';
import {
  associations,
  changes,
  type Played,
  playWorld,
  registrations,
  START,
  startByHand,
  untilEnded,
} from '../support/world.ts';

/** Has the node answer with another machine's key and CSR, as a machine does that was built anew under its id. */
function giveKeyOf(node: SimulatedNode, other: SimulatedNode): void {
  Object.assign(other, { machine: node.machine });
  Object.assign(node, { csr: (name: string) => other.csr(name), publicKeyPem: () => other.publicKeyPem() });
}

const Wait = z.looseObject({
  soFar: z.looseObject({ enrolment: z.looseObject({ deadline: z.string() }) }),
  task: z.looseObject({}),
});

/** Signs for the worlds that have its key. */
const signer = await IdentitySigner.create(START);

/** What was counted as rejected, by the rule that was broken. */
function rejections(world: Played): unknown[] {
  return world.logs.filter((line) => 'IdentitiesRejected' in line).map(({ rule }) => rule);
}

function nodeOf(world: Played, instanceId: string): SimulatedNode {
  const node = world.fleet.get(instanceId);
  if (!node) throw new Error(`There is no machine ${instanceId}.`);
  return node;
}

/** An enrolment that fails after the key was bound, so that it can be tried again. */
async function playFailed() {
  const world = await playWorld();
  world.opsWorksCm.setStatus('PuppetServer', 'FAILED');
  const [instance = '', other = ''] = world.autoScaling.launch('database', 2);
  await untilEnded(world, 2);
  world.opsWorksCm.setStatus('PuppetServer', 'HEALTHY');
  return { world, instance, other };
}

describe('the first key', () => {
  it('passes again', async () => {
    const { world, instance } = await playFailed();
    startByHand(world, { instanceId: instance });
    expect((await untilEnded(world, 3))[2]).toMatchObject({ instance, outcome: 'enrolled' });
  });

  it('wins: another one is rejected before anything is registered or associated', async () => {
    const { world, instance, other } = await playFailed();
    giveKeyOf(nodeOf(world, instance), nodeOf(world, other));
    const changesBefore = changes(world).length;
    startByHand(world, { instanceId: instance });
    const failed = (await untilEnded(world, 3))[2];
    expect(failed).toMatchObject({ outcome: 'failed', cause: expect.stringContaining('shows another key than') });
    expect(world.machines.executions()[2]?.outcome.error).toBe('IdentityRejected');
    expect(changes(world).slice(changesBefore)).toEqual(['ssm.SendCommand']);
    expect(associations(world)).toEqual([]);
    expect(rejections(world)).toEqual(['another-key']);
  });

  it('is one, where two runs of a task show two in the same moment', async () => {
    await playWorld();
    const { signal } = new AbortController();
    const claimed = { status: 'enrolling', execution: 'one', claimedAt: START.toISOString() } as const;
    const owner = await claim(undefined, { instance: 'i-0123456789abcdef0', ...claimed }, signal);
    const bind = (publicKeyFingerprint: string) => bindKey(owner, { publicKeyFingerprint, rootVolume: null }, signal);
    const runs = await Promise.all(['one', 'other'].map(bind));
    const item = await findItem(owner.instance, signal);
    const bound = item?.publicKeyFingerprint;
    expect(runs).toEqual(['one', 'other'].map((key) => (key === bound ? undefined : item)));
    await expect(bind(bound ?? '')).resolves.toBeUndefined();
    // Of an instance that somebody else has taken, nothing is judged any more.
    const taken = await claim(
      { ...owner, ...claimed },
      { instance: owner.instance, ...claimed, execution: 'next' },
      signal,
    );
    expect(taken.generation).toBe(owner.generation + 1);
    for (const key of ['one', 'other']) await expect(bind(key)).rejects.toThrow(ClaimedElsewhere);
  });
});

describe('a node that a script of an earlier version has asked', () => {
  it('is asked again, and enrolled, where a deployment came between', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('database', 1);
    const node = nodeOf(world, instance);
    let asked = 0;
    const former = async () => {
      const shown = await SimulatedNode.prototype.identity.call(node);
      asked += 1;
      return asked === 1 ? { ...shown, rsa2048: undefined } : shown;
    };
    Object.assign(node, { identity: former });
    expect(await untilEnded(world, 1)).toMatchObject([{ instance, outcome: 'enrolled' }]);
    expect(asked).toBe(2);
    expect(rejections(world)).toEqual([]);
    expect(world.logs.filter(({ error }) => error === 'IdentityPending')).toContainEqual(
      expect.objectContaining({ reason: expect.stringContaining('as the script of an earlier version does') }),
    );
  });
});

describe('an identity document from before the launch', () => {
  /** Its document says, so many times, that the instance was launched an hour before. */
  function showOld(node: SimulatedNode, times: number): { asked: number } {
    const seen = { asked: 0 };
    const identity = async () => {
      const shown = await SimulatedNode.prototype.identity.call(node);
      seen.asked += 1;
      if (seen.asked > times) return shown;
      const launchedAt = new Date(node.machine.launchedAt.getTime() - 3_600_000);
      return signer.sign(identityDocument({ ...node.machine, launchedAt }));
    };
    Object.assign(node, { identity });
    return seen;
  }

  const abandoning = readProfiles('profiles.yml').map((profile) => ({ ...profile, onFailure: 'abandon' as const }));

  it('is asked for again, and the node is enrolled once it is new', async () => {
    const world = await playWorld({ signer });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    const seen = showOld(nodeOf(world, instance), 1);
    expect(await untilEnded(world, 1)).toMatchObject([{ instance, outcome: 'enrolled' }]);
    expect(seen.asked).toBe(2);
    expect(rejections(world)).toEqual([]);
  });

  it('holds the launch after minutes of asking, although the profile says abandon', async () => {
    const world = await playWorld({ signer, profiles: abandoning });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    const seen = showOld(nodeOf(world, instance), Number.POSITIVE_INFINITY);
    const [held] = await untilEnded(world, 1);
    expect(held).toMatchObject({ outcome: 'failed', lifecycle: 'Pending:Wait' });
    expect(held?.cause).toMatch(
      /The identity document of \S+ is of .* It is held and not abandoned, because this is no/,
    );
    expect(held?.seconds).toBeGreaterThan(300);
    expect(held?.seconds).toBeLessThan(900);
    expect(seen.asked).toBeGreaterThan(2);
    expect(world.machines.executions()[0]?.outcome.error).toBe('IdentityUnproved');
    expect(rejections(world)).toEqual(['document-age']);
    expect(registrations(world)).toEqual([]);
  });

  it('holds the launch at its deadline too', async () => {
    const world = await playWorld({ signer, profiles: abandoning });
    const waits: unknown[] = [];
    world.lambda.interceptor = ({ functionName, payload }, next) => {
      if (functionName.endsWith('-keep-waiting')) waits.push(payload);
      return next();
    };
    const [instance = ''] = world.autoScaling.launch('database', 1);
    showOld(nodeOf(world, instance), 1);
    await untilEnded(world, 1);
    const { request, soFar, task } = Wait.parse(waits[0]);
    const atTheDeadline = { request, soFar, task: { ...task, enteredTime: soFar.enrolment.deadline } };
    await expect(world.lambda.invoke('muster-dev-keep-waiting', atTheDeadline)).rejects.toMatchObject({
      error: 'IdentityUnproved',
      cause: expect.stringMatching(/The time for this launch was over .* because of IdentityOutdated: The identity/),
    });
  });

  it('is made anew when the instance is stopped and started', async () => {
    const world = await playWorld();
    world.lambda.interceptor = async () => null;
    const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
    await world.clock.advance(3_600_000);
    world.ec2.stop(instance);
    await world.clock.advance(30_000);
    world.ec2.start(instance);
    await world.clock.advance(20_000);
    world.lambda.interceptor = (_invocation, next) => next();
    startByHand(world, { instanceId: instance });
    expect(await untilEnded(world, 1)).toMatchObject([{ instance, outcome: 'enrolled' }]);
  });
});

describe('a node that shows', () => {
  it.each([
    [
      'another instance’s identity document',
      (node: SimulatedNode, other: SimulatedNode) => ({ identity: () => other.identity(), csr: node.csr.bind(node) }),
      'the instanceId of its identity document',
      'document-other',
    ],
    [
      'another account’s identity document',
      (node: SimulatedNode) => ({
        identity: async () => {
          const { document } = await SimulatedNode.prototype.identity.call(node);
          return signer.sign(document.replace(ACCOUNT_ID, '210987654321'));
        },
      }),
      'the accountId of its identity document is not 123456789012',
      'document-account',
    ],
    [
      'a CSR for another name',
      (node: SimulatedNode) => ({ csr: node.csr.bind(node, 'somebody-else') }),
      'the subject of its CSR is not CN=',
      'csr-subject',
    ],
    [
      'an identity document that AWS did not sign',
      (node: SimulatedNode) => ({
        identity: async () => {
          const { document } = await SimulatedNode.prototype.identity.call(node);
          return (await IdentitySigner.create(START)).sign(document);
        },
      }),
      'the signature of its identity document is not by AWS in eu-west-1',
      'document-signature',
    ],
    ['no CSR', () => ({ csr: async () => 'nothing' }), 'its CSR is not exactly one PEM block', 'csr-pem'],
  ])('%s is rejected, and counted', async (_what, lie, sentence, rule) => {
    const world = await playWorld({ signer });
    const [instance = '', other = ''] = world.autoScaling.launch('web', 2);
    Object.assign(nodeOf(world, instance), lie(nodeOf(world, instance), nodeOf(world, other)));
    const failed = (await untilEnded(world, 2)).find((one) => one.instance === instance);
    expect(failed).toMatchObject({ outcome: 'failed', cause: expect.stringContaining(sentence) });
    expect(rejections(world)).toEqual([rule]);
    expect(registrations(world).filter(({ ec2InstanceId }) => ec2InstanceId === instance)).toEqual([]);
  });
});
