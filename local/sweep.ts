import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EC2Client, ModifyInstanceMetadataOptionsCommand } from '@aws-sdk/client-ec2';
import { SWEEP_ALERT } from '../sweep/alerts.ts';
import { SweepReport } from '../sweep/report.ts';
import { REGION } from '../world/kernel/account.ts';
import type { Journal } from './journal.ts';
import { untilAtRest } from './rest.ts';
import { Unusable } from './unusable.ts';
import type { World } from './world.ts';

/** Longer than a sweep takes for a launch that is about to be told of. */
const UNTOLD_MILLISECONDS = 10 * 60_000;

/** What the scene goes on with before a sweep, for its audience. */
export const UNTOLD_SCENE = [
  'Then things happen of which no event tells: two instances launch, one on EC2 and',
  'one on Lightsail, and a person opens IMDSv1 again. A sweep finds them.',
] as const;

/**
 * Plays what no event tells.
 * @returns the instances that a sweep is to enrol
 */
export async function playUntold({ ec2, lightsail, clock, ledger, endpoint }: World): Promise<string[]> {
  const [reopened] = (await ledger()).filter(({ profile, status }) => profile === 'database' && status === 'enrolled');
  const untold = ec2.launch({ tags: new Map([['aws:autoscaling:groupName', 'database']]) }).instanceId;
  const image = { availabilityZone: `${REGION}a`, blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  lightsail.takeUp({ instanceNames: ['blog-3'], ...image });
  if (reopened) await letImdsV1In(endpoint, String(reopened.instance));
  await clock.sleep(UNTOLD_MILLISECONDS);
  return [untold, 'blog-3'];
}

async function letImdsV1In(endpoint: string, InstanceId: string): Promise<void> {
  const credentials = { accessKeyId: 'a-person', secretAccessKey: 'a-person' };
  const ec2 = new EC2Client({ endpoint, region: REGION, credentials });
  await ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId, HttpTokens: 'optional' }));
  ec2.destroy();
}

/**
 * Sweeps the world once, as its schedule would, until everything that this starts has ended.
 * @throws Unusable with the reason when the sweep fails
 */
export async function sweepWorld(world: World, journal: Journal, { isDryRun }: { isDryRun: boolean }) {
  const input = JSON.stringify({ dryRun: isDryRun });
  const sweep = world.machines.start({ stateMachineArn: world.sweepFleetArn, input });
  await untilAtRest(world, journal, []);
  // Its alerts are in the report.
  if (sweep.status === 'SUCCEEDED' || sweep.outcome.error === SWEEP_ALERT)
    return SweepReport.parse(JSON.parse(stored(world, 'json')));
  throw new Unusable(`The sweep failed: ${sweep.outcome.cause ?? sweep.outcome.error ?? sweep.status}`, 1);
}

/**
 * Keeps the latest report's forms in a folder.
 * @returns the files
 * @throws Unusable when the folder cannot be written
 */
export function keepReport(world: World, folder: string): string[] {
  return ['html', 'csv', 'json'].map((form) => {
    const file = join(folder, `report.${form}`);
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(file, stored(world, form));
    } catch (cause) {
      throw new Unusable(`The report cannot be written: ${(cause as Error).message}.`, 2, { cause });
    }
    return file;
  });
}

function stored({ s3, reportsBucket }: World, form: string): string {
  const text = s3.text(reportsBucket, `reports/latest.${form}`);
  if (text === undefined) throw new Error(`The sweep has stored no report as ${form}.`);
  return text;
}
