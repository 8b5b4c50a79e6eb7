import { afterEach, describe, expect, it, vi } from 'vitest';
import { storeReport } from '../../../services/reports.ts';
import { WorldClock } from '../../../world/kernel/clock.ts';
import { seededRandom } from '../../../world/kernel/random.ts';
import { S3 } from '../../../world/services/s3/s3.ts';
import type { Fault } from '../../../world/wire/faults.ts';
import { openPort } from '../../support/open-port.ts';

const BUCKET = 'reports-1';
const STARTED_AT = '2026-11-26T03:00:00.000Z';
const FORMS = { json: '{}\n', csv: 'a\r\n', html: '<p>ü</p>' };
const LATEST = { isLatest: true };
const never = new AbortController().signal;

afterEach(() => vi.unstubAllEnvs());

async function setUp(bucket = BUCKET) {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date(STARTED_AT) });
  const s3 = new S3({ clock, random: seededRandom(1), buckets: [BUCKET] });
  const port = await openPort([], { clock, rest: [s3.endpoint] });
  const variables = ['LEDGER_TABLE', 'ENROL_NODE_STATE_MACHINE_ARN', 'RETIRE_NODE_STATE_MACHINE_ARN'];
  const documents = ['COLLECT_IDENTITY_DOCUMENT', 'INSTALL_CREDENTIALS_DOCUMENT', 'INSTALL_CHEF_DOCUMENT'];
  for (const name of ['STAGE', ...variables, ...documents, 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])
    vi.stubEnv(name, 'x');
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  vi.stubEnv('REPORTS_URL', `${port.endpoint}/${bucket}`);
  const fail = (fault: Partial<Fault>) => port.faults.set([{ service: 's3', ...fault }]);
  return { ...port, s3, fail };
}

describe('A report', () => {
  it('is stored in its three forms, under its instant and as the latest', async () => {
    const { s3 } = await setUp();
    const keys = await storeReport(STARTED_AT, FORMS, LATEST, never);
    expect(keys).toEqual(
      ['2026-11-26T03-00-00.000Z', 'latest'].flatMap((name) =>
        ['json', 'csv', 'html'].map((form) => `reports/${name}.${form}`),
      ),
    );
    for (const key of keys) expect(s3.text(BUCKET, key)).toBe(FORMS[key.split('.').at(-1) as keyof typeof FORMS]);
  });

  it('of a part is not the latest', async () => {
    const { s3 } = await setUp();
    expect(await storeReport(STARTED_AT, FORMS, { isLatest: false }, never)).toHaveLength(3);
    expect(s3.text(BUCKET, 'reports/latest.json')).toBeUndefined();
  });

  it('is what a browser takes it for', async () => {
    const { heard } = await setUp();
    await storeReport(STARTED_AT, FORMS, LATEST, never);
    const types = heard.map(({ input }) => (input as { ContentType: string }).ContentType);
    expect(types.slice(0, 3)).toEqual(['application/json', 'text/csv; charset=utf-8', 'text/html; charset=utf-8']);
  });

  it('is put again where S3 is busy, and says so where it stays busy', async () => {
    const { fail, s3, heard } = await setUp();
    fail({ error: 'Throttling', times: 2 });
    await storeReport(STARTED_AT, FORMS, LATEST, never);
    expect(heard).toHaveLength(8);
    expect(s3.text(BUCKET, 'reports/latest.html')).toBe(FORMS.html);
    fail({ error: 'Throttling' });
    await expect(storeReport(STARTED_AT, FORMS, LATEST, never)).rejects.toMatchObject({ name: 'ServiceUnavailable' });
  });

  it.each([
    ['ServiceUnavailable', { drop: true } as const],
    ['PermissionDenied', { error: 'AccessDenied', statusCode: 403 }],
  ])('ends with %s where it is met by %j', async (name, fault) => {
    const { fail } = await setUp();
    fail(fault);
    await expect(storeReport(STARTED_AT, FORMS, LATEST, never)).rejects.toMatchObject({
      name,
      message: expect.stringContaining('store the report reports/2026-11-26T03-00-00.000Z.json'),
    });
  });

  it('is refused where there is no bucket, in a sentence that says what to do', async () => {
    await setUp('nobody');
    await expect(storeReport(STARTED_AT, FORMS, LATEST, never)).rejects.toMatchObject({
      name: 'InvalidRequest',
      message: expect.stringContaining('deploy the stack again'),
    });
  });

  it('is not stored any more when time is over', async () => {
    const { heard } = await setUp();
    await expect(storeReport(STARTED_AT, FORMS, LATEST, AbortSignal.abort())).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(heard).toEqual([]);
  });
});
