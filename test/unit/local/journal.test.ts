import { expect, it } from 'vitest';
import sample from '../../../events/samples/ec2-launch-successful.json' with { type: 'json' };
import { Journal } from '../../../local/journal.ts';

const event = { ...sample, version: '0' as const };

it("says that an event is ignored for its account, when no rule takes another account's", () => {
  const journal = new Journal(() => 0);
  journal.hear.onEvent({ ...event, account: '210987654321' }, []);
  expect(journal.notes).toEqual([expect.stringContaining('It is of account 210987654321, and no rule takes events')]);
});

it('says nothing of an event of this account, or of one that a rule takes', () => {
  const journal = new Journal(() => 0);
  journal.hear.onEvent({ ...event, account: '123456789012' }, []);
  journal.hear.onEvent({ ...event, account: '210987654321' }, ['a rule']);
  expect(journal.notes).toEqual([]);
});
