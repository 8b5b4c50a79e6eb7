import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readEventFiles } from '../../../local/event-files.ts';
import { Unusable } from '../../../local/unusable.ts';

const folder = mkdtempSync(join(tmpdir(), 'muster-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SAMPLE = 'events/samples/ec2-launch-lifecycle-action.json';
const sample = JSON.parse(readFileSync(SAMPLE, 'utf8'));

function fileOf(text: string): string {
  const file = join(folder, `${Math.random()}.json`);
  writeFileSync(file, text);
  return file;
}

describe('An event file', () => {
  it('is read as the event that it holds, word for word', () => {
    expect(readEventFiles([SAMPLE])).toStrictEqual([{ kind: 'event', event: sample }]);
  });

  it('may hold a list, and what is no event is the request that a person types', () => {
    const request = { instanceId: 'i-0123456789abcdef0' };
    const announcements = readEventFiles([fileOf(JSON.stringify([sample, request])), SAMPLE]);
    expect(announcements.map(({ kind }) => kind)).toStrictEqual(['event', 'request', 'event']);
    expect(announcements[1]).toStrictEqual({ kind: 'request', input: request });
  });

  it.each([
    ['a request with a typo, which the workflow itself refuses', { instanceID: 'i-0123456789abcdef0' }],
    ['JSON that is no object', 'i-0123456789abcdef0'],
    ['nothing', null],
  ])('leaves %s to be judged where it arrives', (_what, input) => {
    expect(readEventFiles([fileOf(JSON.stringify(input))])).toStrictEqual([{ kind: 'request', input }]);
  });

  it.each([
    ['that is not there', join(folder, 'none.json'), 'there is no such file'],
    ['that is a folder', folder, 'cannot be read'],
    ['that is no JSON', fileOf('{'), 'is not JSON'],
    ['whose event lacks its source', fileOf(JSON.stringify({ ...sample, source: undefined })), 'source'],
    ['whose second event is of no rule', fileOf(JSON.stringify([sample, { ...sample, source: 'my.app' }])), 'item 2'],
    ['with a refused Lightsail call', 'events/samples/lightsail-create-instances-denied.json', 'no rule'],
  ])('%s is refused in a sentence that names it', (_what, file, reason) => {
    const read = () => readEventFiles([file]);
    expect(read).toThrow(Unusable);
    expect(read).toThrow(file);
    expect(read).toThrow(reason);
  });
});
