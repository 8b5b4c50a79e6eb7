import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClaimedElsewhere } from '../../lib/errors.ts';
import type { Instance } from '../../lib/instance.ts';
import { ignoredEnrolment } from '../../profiles/plan.ts';
import { bindKey, keepKey, rebindKey } from '../../services/key-bindings.ts';
import { claim, findItem, record } from '../../services/ledger.ts';
import { TaskFailure } from '../../world/states/task-failure.ts';
import { WEB } from '../support/instance.ts';
import { enrolledWith, keyOf, MINUTE } from '../support/re-images.ts';
import { sized } from '../support/size.ts';
import { playWorld, START } from '../support/world.ts';

const ATTEMPTS = sized({ small: 100, full: 1000, whole: 10_000 });

const { signal } = new AbortController();
const at = (seconds: number) => new Date(START.getTime() + seconds * 1000).toISOString();
const CLAIM = { status: 'enrolling', execution: 'one', claimedAt: at(0) } as const;

/** An instance of which a key is bound, on the root volume vol-1, seen a minute after the start. */
async function bound(instance: string) {
  const owner = await claim(undefined, { instance, ...CLAIM }, signal);
  await bindKey(owner, { publicKeyFingerprint: 'first', rootVolume: { id: 'vol-1', seenAt: at(60) } }, signal);
  return owner;
}

describe(`${ATTEMPTS} attempts to bind a second key without a proved replacement`, () => {
  const attempts = fc.record({
    from: fc.constantFrom('first', 'second', 'third'),
    fromVolume: fc.constantFrom('vol-1', 'vol-2', 'vol-3'),
    toVolume: fc.constantFrom('vol-1', 'vol-2'),
    replacedSeconds: fc.integer({ min: 0, max: 120 }),
    isOwner: fc.boolean(),
    isRetired: fc.boolean(),
    way: fc.constantFrom('bind', 'keep', 'rebind'),
  });

  it('bind none at the ledger', { timeout: 3_600_000 }, async () => {
    await playWorld();
    const owner = await bound('i-0123456789abcdef0');
    const proves = (one: { from: string; fromVolume: string; toVolume: string; replacedSeconds: number }) =>
      one.from === 'first' && one.fromVolume === 'vol-1' && one.toVolume !== 'vol-1' && one.replacedSeconds > 60;
    await fc.assert(
      fc.asyncProperty(attempts, async ({ way, isOwner, isRetired, ...one }) => {
        // A retired key is refused although everything else proves the replacement.
        fc.pre(way !== 'rebind' || !proves(one) || !isOwner || isRetired);
        await record(owner, { retiredKeys: isRetired ? ['second'] : [] }, signal);
        const who = isOwner ? owner : { ...owner, generation: owner.generation + 1 };
        const key = { publicKeyFingerprint: 'second', rootVolume: { id: one.toVolume, seenAt: at(100) } };
        const replacedAt = at(one.replacedSeconds);
        const item = { ...owner, publicKeyFingerprint: one.from, rootVolumeId: one.fromVolume };
        const attempt =
          way === 'bind'
            ? bindKey(who, key, signal)
            : way === 'keep'
              ? keepKey(who, key, signal)
              : rebindKey(who, item, { ...key, replacedAt, retiredKeys: ['first'] }, signal);
        const answer = await attempt.catch((error: unknown) => error);
        if (way === 'bind' && isOwner) expect(answer).toMatchObject({ publicKeyFingerprint: 'first' });
        else expect(answer).toBeInstanceOf(ClaimedElsewhere);
        const { publicKeyFingerprint, rootVolumeId } = (await findItem(owner.instance, signal)) ?? {};
        expect({ publicKeyFingerprint, rootVolumeId }).toEqual({
          publicKeyFingerprint: 'first',
          rootVolumeId: 'vol-1',
        });
      }),
      { numRuns: ATTEMPTS },
    );
  });

  it('bind none in CollectIdentity, whatever volume is attached by hand', { timeout: 3_600_000 }, async () => {
    const { world, instance } = await enrolledWith('both');
    const key = await keyOf(world, instance);
    const item = await findItem(instance, signal);
    if (!item) throw new Error('It is not in the ledger.');
    const node = world.fleet.get(instance);
    node?.replaceDisk();
    await world.clock.advance(MINUTE);
    const owner = await claim(item, { instance, ...CLAIM }, signal);
    const asked = dataOf(instance, null, owner.generation, new Date(world.clock.now()).toISOString());
    const command = await run(world, 'request-identity', asked);
    await world.clock.advance(MINUTE);
    const volumes = fc.constantFrom(undefined, item.rootVolumeId, 'vol-00000000000000009');
    const tries = fc.record({ volume: volumes, lateMinutes: fc.constantFrom(0, 10) });
    const counts = { rejected: 0, notYet: 0 };
    await fc.assert(
      fc.asyncProperty(tries, async ({ volume, lateMinutes }) => {
        if (volume !== undefined) world.ec2.reattachRootVolume(instance, volume);
        const rootVolume = world.ec2.instance(instance)?.rootVolume;
        const now = new Date(world.clock.now() + lateMinutes * MINUTE).toISOString();
        const disk = { id: rootVolume?.volumeId ?? '', attachedAt: null };
        const answer = await run(world, 'collect-identity', {
          ...dataOf(instance, disk, owner.generation, now),
          command,
        });
        expect(answer).toBeOneOf(['IdentityRejected', 'InstanceNotReady']);
        if (answer === 'IdentityRejected') counts.rejected++;
        else counts.notYet++;
        expect((await findItem(instance, signal))?.publicKeyFingerprint).toBe(key);
      }),
      { numRuns: Math.min(ATTEMPTS, 1000) },
    );
    expect(counts.rejected).toBeGreaterThan(0);
    expect(counts.notYet).toBeGreaterThan(0);
  });
});

type Played = Awaited<ReturnType<typeof playWorld>>;

/** The parts of a state's data that RequestIdentity and CollectIdentity take. */
function dataOf(instanceId: string, rootVolume: Instance['rootVolume'], generation: number, now: string) {
  const launchTime = START.toISOString();
  const named = { instanceId, nodeName: instanceId, imageId: 'ami-0123456789abcdef0', launchTime };
  const instance: Instance = { ...WEB, ...named, rootDeviceType: 'ebs', rootVolume, describedAt: now };
  const task = { execution: 'arn:one', startTime: now, enteredTime: now, state: 'CollectIdentity', retryCount: 0 };
  const enrolment = { ...ignoredEnrolment(instance, '', task), status: 'enrolling', ledgerKey: instanceId, generation };
  return { instance, enrolment, associate: null, task };
}

/** Runs a function as the state machine does. @returns its answer, or the name of its error */
async function run(world: Played, name: string, input: object): Promise<unknown> {
  try {
    return await world.lambda.invoke(`muster-dev-${name}`, input);
  } catch (error) {
    if (error instanceof TaskFailure) return error.error;
    throw error;
  }
}

it('binds a second key once the replacement is proved, and the first one never again', async () => {
  await playWorld();
  const owner = await bound('i-0123456789abcdef1');
  const item = await findItem(owner.instance, signal);
  if (!item) throw new Error('It is not in the ledger.');
  const second = { publicKeyFingerprint: 'second', rootVolume: { id: 'vol-2', seenAt: at(100) } };
  await rebindKey(owner, item, { ...second, replacedAt: at(90), retiredKeys: ['first'] }, signal);
  expect(await findItem(owner.instance, signal)).toMatchObject({
    publicKeyFingerprint: 'second',
    rootVolumeId: 'vol-2',
    rootVolumeSeenAt: at(100),
    retiredKeys: ['first'],
  });
  const now = await findItem(owner.instance, signal);
  const first = { publicKeyFingerprint: 'first', rootVolume: { id: 'vol-3', seenAt: at(200) } };
  if (now)
    await expect(
      rebindKey(owner, now, { ...first, replacedAt: at(190), retiredKeys: ['first', 'second'] }, signal),
    ).rejects.toThrow(ClaimedElsewhere);
});
