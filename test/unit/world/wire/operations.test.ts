/** How strictly the doubles' operations are typed: the compiler's own verdict on samples. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../../../world/wire/model.ts';
import { OPERATIONS } from '../../../../world/wire/models/operations.ts';
import { SERVICES } from '../../../../world/wire/operations.ts';

const SAMPLES = {
  'a part of the operations':
    "export const service: Service = { name: 'ec2', operations: { DescribeInstances: () => ({ Reservations: [] }) } };",
  'an input whose required members are there':
    "type Launch = Input<RunInstancesRequest, 'MinCount'>;\nexport const service: Service = { name: 'ec2', operations: { RunInstances: ({ MinCount }: Launch) => ({ Groups: [{ GroupId: String(MinCount + 1) }] }) } };",
  'a misspelt operation':
    "export const service: Service = { name: 'ec2', operations: { DescribeInstanses: () => ({}) } };",
  'an operation that the model lacks':
    "export const service: Service = { name: 'ec2', operations: { StopInstances: () => ({}) } };",
  "another service's operation":
    "export const service: Service = { name: 'ec2', operations: { SendCommand: () => ({}) } };",
  'an unknown service': "export const service: Service = { name: 'sqs', operations: {} };",
  'a double that lacks an operation':
    "export const service: ServiceOf<'cloudwatch'> = { name: 'cloudwatch', operations: {} };",
  'an output member of the wrong type':
    "export const service: Service = { name: 'ec2', operations: { DescribeInstances: () => ({ Reservations: 'none' }) } };",
  'an input of the wrong type':
    "export const service: Service = { name: 'ec2', operations: { DescribeInstances: (input: { InstanceIds: number }) => ({ NextToken: String(input.InstanceIds) }) } };",
} as const;

const ACCEPTED: readonly string[] = ['a part of the operations', 'an input whose required members are there'];
const IMPORTS = `import type { RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { Input } from '../../world/services/types.ts';
import type { Service, ServiceOf } from '../../world/wire/service.ts';
export type Used = [RunInstancesRequest, Input<object>, Service, ServiceOf<'ec2'>];
`;

// Inside the project, so that its packages are found, and in a folder that Git and lint ignore.
mkdirSync('build', { recursive: true });
const folder = mkdtempSync(resolve('build/typing-'));
let report = '';

beforeAll(() => {
  for (const [index, text] of Object.values(SAMPLES).entries())
    writeFileSync(join(folder, `sample-${index}.ts`), `${IMPORTS}${text}\n`);
  const config = { extends: '../../tsconfig.json', include: ['*.ts'], exclude: [] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  try {
    execFileSync('npx', ['tsc', '--noEmit', '--pretty', 'false', '-p', folder], { encoding: 'utf8' });
  } catch (error) {
    report = (error as { stdout: string }).stdout;
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('The types of a service', () => {
  it.each(Object.keys(SAMPLES).map((title, index) => ({ title, index })))('judge $title', ({ title, index }) => {
    const errors = report.split('\n').filter((line) => line.includes(`sample-${index}.ts`));
    if (ACCEPTED.includes(title)) expect(errors).toEqual([]);
    else expect(errors).toEqual([expect.stringMatching(/error TS(2322|2353|2741)/)]);
  });

  it('are looked at by the compiler in these samples alone', () => {
    expect(report.split('\n').filter((line) => line.includes('error TS') && !line.includes('sample-'))).toEqual([]);
  });
});

describe('The generated list of operations', () => {
  it.each(SERVICES)('is that of the model: %s', (service) => {
    expect(OPERATIONS[service]).toEqual(Object.keys(loadModel(service).operations));
  });

  it.each(SERVICES)('belongs to a model that names its source: %s', (service) => {
    const { source, apiVersion } = loadModel(service).metadata;
    expect(source).toMatch(/^botocore \d+\.\d+\.\d+, [a-z0-9]+\/[\d-]+\/service-2\.json$/);
    expect(source).toContain(`/${apiVersion}/`);
    const [version = ''] = /\d+\.\d+\.\d+/.exec(source) ?? [];
    expect(readFileSync('world/wire/models/README.md', 'utf8')).toContain(version);
  });
});
