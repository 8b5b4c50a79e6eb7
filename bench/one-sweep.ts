/**
 * One sweep of the world whose address is in the environment, by the function's bundle, or without one only the pages that
 * it reads: in a process of its own, so that its peak of memory is its own. Prints what it took as JSON, in its last line.
 */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import { EC2Client, paginateDescribeInstances } from '@aws-sdk/client-ec2';
import { GetInstancesCommand, LightsailClient } from '@aws-sdk/client-lightsail';
import type { Context } from 'aws-lambda';

/** What one sweep, or the bare loop beside it, took. */
export interface Taken {
  readonly seconds: number;
  /** As the sweep itself counts them; its report is stored later. */
  readonly apiCalls: number;
  /** The most that this process ever had in memory, with all that it loaded. */
  readonly peakMegabytes: number;
}

const { values } = parseArgs({
  options: { at: { type: 'string', default: '' }, bundle: { type: 'string' } },
});

const play = values.bundle === undefined ? readPages : await prepareSweep(values.bundle, values.at);
const began = performance.now();
const counted = await play();
const seconds = (performance.now() - began) / 1000;
const taken: Taken = { ...counted, seconds, peakMegabytes: process.resourceUsage().maxRSS / 1024 };
console.log(JSON.stringify(taken));

async function prepareSweep(bundle: string, at: string) {
  const { handler }: typeof import('../functions/sweep.ts') = await import(pathToFileURL(bundle).href);
  const execution = 'arn:aws:states:eu-west-1:123456789012:execution:muster-dev-sweep-fleet:bench';
  const task = { execution, startTime: at, state: 'Sweep', enteredTime: at, retryCount: 0 };
  const context = { functionName: 'sweep', awsRequestId: 'bench', getRemainingTimeInMillis: () => 600_000 };
  return async () => {
    const { apiCalls } = await handler({ task, request: {} }, context as Context);
    return { apiCalls };
  };
}

/** Every page that a sweep cannot do without, and nothing done with it. */
async function readPages() {
  const ec2 = new EC2Client();
  const lightsail = new LightsailClient();
  let apiCalls = 0;
  for await (const _ of paginateScan({ client: new DynamoDBClient() }, { TableName: process.env.LEDGER_TABLE }))
    apiCalls++;
  for await (const _ of paginateDescribeInstances({ client: ec2, pageSize: 1000 }, {})) apiCalls++;
  let pageToken: string | undefined;
  do {
    ({ nextPageToken: pageToken } = await lightsail.send(new GetInstancesCommand({ pageToken })));
    apiCalls++;
  } while (pageToken);
  return { apiCalls };
}
