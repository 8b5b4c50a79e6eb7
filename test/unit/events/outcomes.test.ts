import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { OUTCOME_SOURCE, OUTCOMES, type OutcomeType } from '../../../events/outcomes.ts';
import { interpret } from '../../../events/table.ts';
import { sample, sampleNames } from '../../support/samples.ts';

const names = sampleNames('outcomes/');
const detailTypes = Object.keys(OUTCOMES) as OutcomeType[];

const OutcomeEvent = z.strictObject({
  version: z.literal('0'),
  id: z.guid(),
  'detail-type': z.enum(detailTypes),
  source: z.literal(OUTCOME_SOURCE),
  account: z.string(),
  time: z.iso.datetime(),
  region: z.string(),
  resources: z.array(z.string()),
  detail: z.unknown(),
});

const outcome = (name: string) => OutcomeEvent.parse(sample(name));

describe('a sample outcome', () => {
  it.each(names)('%s is an event of EventBridge with the detail of its kind', (name) => {
    const { 'detail-type': detailType, detail } = outcome(name);
    expect(OUTCOMES[detailType].parse(detail)).toEqual(detail);
  });

  it.each(names)('%s can be told by its detail-type and its execution', (name) => {
    const identity = ({ 'detail-type': detailType, detail }: z.infer<typeof OutcomeEvent>) =>
      [detailType, OUTCOMES[detailType].parse(detail).execution].join(' ');
    const same = names.filter((other) => identity(outcome(other)) === identity(outcome(name)));
    expect(same).toEqual([name]);
  });

  it.each(names)('%s is nothing that Muster answers itself', (name) => {
    expect(interpret(sample(name))).toMatchObject({ kind: 'ignored' });
  });

  it('is in the folder for every detail-type', () => {
    const found = names.map((name) => outcome(name)['detail-type']);
    expect(new Set(found)).toEqual(new Set(detailTypes));
  });
});

describe('the detail of an outcome', () => {
  it('says what is to become of the launch wherever it failed, and differently when it is held', () => {
    const failed = outcome('outcomes/instance-enrolment-failed').detail;
    const held = outcome('outcomes/instance-enrolment-held').detail;
    expect(OUTCOMES['Instance Enrolment Held'].safeParse(failed).success).toBe(false);
    expect(OUTCOMES['Instance Enrolment Failed'].safeParse(held).success).toBe(false);
  });

  it('has every field and no other', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names).map(outcome), fc.nat(), fc.string(), (event, index, name) => {
        const schema = OUTCOMES[event['detail-type']];
        const detail = Object.entries(schema.parse(event.detail));
        fc.pre(!detail.some(([key]) => key === name) && name !== '__proto__');
        expect(schema.safeParse(Object.fromEntries(detail.toSpliced(index % detail.length, 1))).success).toBe(false);
        expect(schema.safeParse(Object.fromEntries([...detail, [name, null]])).success).toBe(false);
      }),
    );
  });
});
