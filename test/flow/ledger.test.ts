import { expect, it } from 'vitest';
import { ClaimedElsewhere, RegistrationPending } from '../../lib/errors.ts';
import { beginRegistering, claim, findItem, recordHardening } from '../../services/ledger.ts';
import { playWorld, START } from '../support/world.ts';

const { signal } = new AbortController();
const INSTANCE = 'i-0123456789abcdef0';
const CLAIM = { instance: INSTANCE, status: 'enrolling', execution: 'one', claimedAt: START.toISOString() } as const;
const OPEN = { state: 'applied', httpTokens: 'optional', httpEndpoint: 'enabled', httpPutResponseHopLimit: 1 } as const;
const CLOSED = { ...OPEN, httpTokens: 'required' } as const;

/** The instant so many seconds after the start, as a state's EnteredTime. */
function at(seconds: number): string {
  return new Date(START.getTime() + seconds * 1000).toISOString();
}

it('lets one of two attempts register an instance, and the next one only when the first must have ended', async () => {
  await playWorld();
  const owner = await claim(undefined, CLAIM, signal);
  const attempt = (second: number) =>
    beginRegistering(owner, { now: at(second), until: at(second + 60), isGone: false }, signal);
  const attempts = await Promise.allSettled([attempt(0), attempt(0)]);
  expect(attempts.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(attempts).toContainEqual({ status: 'rejected', reason: expect.any(RegistrationPending) });
  await expect(attempt(59)).rejects.toThrow(`Another attempt may be registering ${INSTANCE} until ${at(60)}.`);
  expect(await findItem(INSTANCE, signal)).toMatchObject({ registeringUntil: at(60) });
  await attempt(60);
  expect(await findItem(INSTANCE, signal)).toMatchObject({ registeringUntil: at(120) });
});

it('takes nothing any more from whoever has lost the instance', async () => {
  await playWorld();
  const owner = await claim(undefined, CLAIM, signal);
  const taken = await claim({ ...owner, ...CLAIM }, { ...CLAIM, execution: 'next' }, signal);
  const late = [
    () => beginRegistering(owner, { now: at(0), until: at(60), isGone: false }, signal),
    () => recordHardening(owner, { before: OPEN, hardenedAt: at(0) }, signal),
  ];
  for (const write of late) await expect(write()).rejects.toThrow(ClaimedElsewhere);
  expect(await findItem(INSTANCE, signal)).toEqual(taken);
});

it('keeps the metadata options from before the first change, whatever later changes find', async () => {
  await playWorld();
  const owner = await claim(undefined, CLAIM, signal);
  for (const before of [OPEN, CLOSED]) await recordHardening(owner, { before, hardenedAt: null }, signal);
  const item = await findItem(INSTANCE, signal);
  expect(item?.metadataBefore).toEqual(OPEN);
  expect(item).not.toHaveProperty('hardenedAt');
  await recordHardening(owner, { before: CLOSED, hardenedAt: at(9) }, signal);
  expect(await findItem(INSTANCE, signal)).toMatchObject({ metadataBefore: OPEN, hardenedAt: at(9) });
});
