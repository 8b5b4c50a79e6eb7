import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readDeployment } from '../../../local/deployment.ts';
import { playWorld, untilEnded } from '../../support/world.ts';

/** The deployment of a copy of serverless.yml and resources/ in which texts were replaced, each of them found. */
function changed(changes: Readonly<Record<string, readonly (readonly [from: string, to: string])[]>>) {
  const root = mkdtempSync(join(tmpdir(), 'muster-deployment-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const parts = ['serverless.yml', 'parameters.yml', 'resources', 'statemachines', 'documents'];
  for (const part of parts) cpSync(part, join(root, part), { recursive: true });
  for (const [file, replacements] of Object.entries(changes)) {
    let text = readFileSync(join(root, file), 'utf8');
    for (const [from, to] of replacements) {
      expect(text).toContain(from);
      text = text.replaceAll(from, to);
    }
    writeFileSync(join(root, file), text);
  }
  return readDeployment(root);
}

describe('What serverless.yml deploys', () => {
  it('has names of the stage dev, and variables that are resolved', () => {
    const { ledger, reportsBucket, documents, variables } = readDeployment().resources;
    expect(ledger).toMatchObject({ TableName: 'muster-dev-ledger', BillingMode: 'PAY_PER_REQUEST' });
    expect(reportsBucket).toBe('muster-dev-reports');
    expect(documents.map(({ name }) => name)).toContain('Muster-CollectIdentity-dev');
    expect(variables).toMatchObject({
      STAGE: 'dev',
      LEDGER_TABLE: 'muster-dev-ledger',
      ENROL_NODE_STATE_MACHINE_ARN: 'arn:aws:states:eu-west-1:123456789012:stateMachine:muster-dev-enrol-node',
      REPORTS_URL: 'https://muster-dev-reports.s3.eu-west-1.amazonaws.com',
    });
    expect(Object.keys(variables)).toEqual(readDeployment().environment);
  });

  it.each([
    ['COLLECT_IDENTITY_DOCUMENT: { Ref: CollectIdentityDocument }', '{ Ref: Nowhere }', 'There is no resource Nowhere'],
    [
      'COLLECT_IDENTITY_DOCUMENT: { Ref: CollectIdentityDocument }',
      '{ Fn::Join: [] }',
      'COLLECT_IDENTITY_DOCUMENT is nei',
    ],
  ])('is refused with a sentence when a variable cannot be resolved: %s as %s', (from, value, sentence) => {
    const to = `COLLECT_IDENTITY_DOCUMENT: ${value}`;
    expect(() => changed({ 'serverless.yml': [[from, to]] })).toThrow(sentence);
  });
});

describe('The local world', () => {
  it('takes names, keys and indexes from the resources, and enrols with them', async () => {
    const index =
      '- { IndexName: byOwner, KeySchema: [{ AttributeName: owner, KeyType: HASH }], Projection: { ProjectionType: ALL } }';
    const deployment = changed({
      'resources/documents.yml': [['Muster-CollectIdentity-', 'Renamed-CollectIdentity-']],
      'resources/reports.yml': [
        ['      BucketEncryption:', '      BucketName: renamed-reports\n      BucketEncryption:'],
      ],
      'resources/ledger.yml': [
        ['      BillingMode:', '      TableName: renamed-ledger\n      BillingMode:'],
        ['        - IndexName: waiting\n', `        ${index}\n        - IndexName: waiting\n`],
        [
          'AttributeName: waiting, AttributeType: S }',
          'AttributeName: waiting, AttributeType: S }\n        - { AttributeName: owner, AttributeType: S }',
        ],
      ],
    });
    const world = await playWorld({ deployment });
    world.autoScaling.launch('database', 1);
    expect(await untilEnded(world, 1)).toMatchObject([{ outcome: 'enrolled' }]);
    const sent = world.calls.filter(({ operation }) => operation === 'SendCommand').map(({ input }) => input);
    expect(sent[0]).toMatchObject({ DocumentName: 'Renamed-CollectIdentity-dev' });
    expect((await world.snapshot()).s3).toMatchObject({ buckets: [{ name: 'renamed-reports' }] });
    const { Table } = await new DynamoDBClient({}).send(new DescribeTableCommand({ TableName: 'renamed-ledger' }));
    expect(Table?.GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName).toSorted()).toEqual(['byOwner', 'waiting']);
    expect(await world.ledger()).not.toEqual([]);
  });
});
