import { globSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { play } from '../../local/conjure.ts';
import { readEventFiles } from '../../local/event-files.ts';
import { Journal } from '../../local/journal.ts';
import { untilAtRest } from '../../local/rest.ts';
import { playWorld, START } from '../support/world.ts';

/** Plays files until the world has come to rest. */
async function played(...files: string[]) {
  let now = () => START.getTime();
  const journal = new Journal(() => now());
  const world = await playWorld(journal.hear);
  now = () => world.clock.now();
  play(world, readEventFiles(files));
  await world.clock.run(untilAtRest(world, journal, []));
  return { world, journal, outcomes: journal.stories.map(({ instance, outcome }) => [instance, outcome]) };
}

const sample = (name: string) => `events/samples/${name}.json`;

describe('An event from a file', () => {
  it.each(
    globSync('events/samples/ec2-launch-lifecycle-action*.json').filter((file) => !/other|test-not|warm/.test(file)),
  )('%s meets the instance, the hook and the token that it names, and enrols', async (file) => {
    const { world, outcomes } = await played(file);
    const [action] = world.autoScaling.actions.all;
    expect(outcomes).toStrictEqual([[action?.instanceId, 'enrolled']]);
    expect(action).toMatchObject({ result: 'CONTINUE', resolvedBy: 'caller', hook: 'muster-launch' });
    expect(world.autoScaling.members.get(action?.instanceId ?? '')?.lifecycleState).toBe('InService');
  });

  it('tells of an instance that goes into its warm pool, and is let in there', async () => {
    const { world, outcomes } = await played(sample('ec2-launch-lifecycle-action-into-warm-pool'));
    expect(outcomes).toStrictEqual([['i-00112233445566778', 'enrolled']]);
    expect(world.autoScaling.members.get('i-00112233445566778')?.lifecycleState).toBe('Warmed:Running');
  });

  it("of another team's hook leaves the instance waiting in it, and is told of once", async () => {
    const { world, journal } = await played(sample('ec2-launch-lifecycle-action-other-teams-hook'));
    expect(journal.stories).toMatchObject([
      { instance: 'i-0cafe0cafe0cafe00', outcome: 'ignored', reason: expect.stringContaining('billing-launch') },
    ]);
    expect(world.autoScaling.members.get('i-0cafe0cafe0cafe00')?.lifecycleState).toBe('Pending:Wait');
  });

  it('of a Lightsail creation meets its instances', async () => {
    const { outcomes } = await played(sample('lightsail-create-instances'));
    expect(outcomes).toStrictEqual([
      ['web-1', 'enrolled'],
      ['web-2', 'enrolled'],
    ]);
  });

  it('that is a test notification is noted and concerns nobody', async () => {
    const { journal, outcomes } = await played(sample('ec2-launch-lifecycle-action-test-notification'));
    expect(outcomes).toStrictEqual([]);
    expect(journal.notes).toStrictEqual([expect.stringContaining('is ignored. It is a test notification')]);
  });

  it('that cannot be read is lost with its reason, after three attempts', async () => {
    const { world, journal, outcomes } = await played(sample('refused/ec2-launch-lifecycle-action-short-token'));
    expect(outcomes).toStrictEqual([]);
    expect(journal.notes).toStrictEqual([expect.stringMatching(/is lost\. InvalidRequest: .*LifecycleActionToken/)]);
    expect(world.clock.now() - START.getTime()).toBeGreaterThanOrEqual(180_000);
  });

  it('played beside others for the same instance makes one instance', async () => {
    const { world, outcomes } = await played(sample('ec2-launch-lifecycle-action'), sample('ec2-launch-successful'));
    expect(outcomes).toStrictEqual([['i-1234567890abcdef0', 'enrolled']]);
    expect(world.ec2.snapshot().instances).toHaveLength(1);
  });
});

describe('A request from a file', () => {
  it('finds an instance that waits in its hook, and releases it', async () => {
    const { world, outcomes } = await played(sample('typed-ec2'));
    expect(outcomes).toStrictEqual([['i-0123456789abcdef0', 'enrolled']]);
    expect(world.autoScaling.actions.all).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('with a typo fails with the sentence that a person would get', async () => {
    const { journal } = await played(sample('refused/typed-misspelt-field'));
    expect(journal.stories).toMatchObject([{ outcome: 'failed', reason: expect.stringContaining('Unknown field') }]);
  });

  it('that is no object fails, too', async () => {
    const { journal } = await played(sample('refused/typed-not-an-object'));
    expect(journal.stories).toMatchObject([{ outcome: 'failed' }]);
  });
});
