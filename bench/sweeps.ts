import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundle } from '../stack/bundle/bundle.ts';
import { createFleet, type Fleet } from './fleet.ts';
import type { Taken } from './one-sweep.ts';

/** What one sweep took, and how many executions it started. */
export interface Swept extends Taken {
  readonly started: number;
}

export interface Figures {
  readonly drifting: number;
  readonly bare: Swept;
  readonly first: Swept;
  /** At once after the first: what that has started has not claimed its instance yet. */
  readonly second: Swept;
  /** What the first sweep called, by name. */
  readonly calls: Readonly<Record<string, number>>;
  /** A sentence for each wrong count. Empty when all is well. */
  readonly faults: readonly string[];
}

const ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const MOST_MEGABYTES = 256;
/** V8 sizes its heap by the machine's memory. In a function of 512 MB its young part would be as small, its old part larger. */
const AS_IN_LAMBDA = ['--max-semi-space-size=2', '--max-old-space-size=128'];
/** Of what drifts; the others wait for the canary. */
const LEAST_SHARE_STARTED = 0.7;
/** They answer for many instances at once. */
const PAGES = [
  'dynamodb.Scan',
  'ec2.DescribeInstances',
  'lightsail.GetInstances',
  'autoscaling.DescribeAutoScalingGroups',
  'autoscaling.DescribeWarmPool',
  'cloudwatch.GetMetricData',
];

/** Has a fleet swept twice. @param instances at least 20 */
export async function playSweeps(instances: number): Promise<Figures> {
  const fleet = await createFleet(instances);
  try {
    const bare = await play(fleet);
    fleet.world.apis.calls.clear();
    const sweep = [`--bundle=${await bundled()}`, `--at=${fleet.at}`];
    const first = await play(fleet, ...sweep);
    const calls = Object.fromEntries(fleet.world.apis.calls);
    const second = await play(fleet, ...sweep);
    const figures = { drifting: fleet.drifting, bare, first, second, calls };
    return { ...figures, faults: faultsOf(figures) };
  } finally {
    await fleet.close();
  }
}

/** The function as it is deployed, but that it takes the profiles from the environment. */
async function bundled(): Promise<string> {
  const [sweep] = await bundle(ROOT, ['sweep'], {}, join(ROOT, 'build/bench-sweep'));
  if (!sweep) throw new Error('functions/sweep.ts was not bundled.');
  return sweep.file;
}

async function play({ world }: Fleet, ...options: string[]): Promise<Swept> {
  const before = world.machines.executions().length;
  const script = fileURLToPath(new URL('one-sweep.ts', import.meta.url));
  const own = [...AS_IN_LAMBDA, script, ...options];
  const { stdout } = await promisify(execFile)(process.execPath, own, { maxBuffer: 64 * 1024 * 1024 });
  const taken = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Taken;
  return { ...taken, started: world.machines.executions().length - before };
}

/**
 * The sweeps that took too much memory: a sentence, or none. A benchmark checks it and a test does not: the peak of a process
 * includes garbage, and on a busy machine V8 collects it later.
 */
export function memoryFaultsOf({ first, second }: Pick<Figures, 'first' | 'second'>): string[] {
  const largest = Math.max(first.peakMegabytes, second.peakMegabytes);
  if (largest < MOST_MEGABYTES) return [];
  return [`A sweep took ${largest.toFixed(0)} MB; less than ${MOST_MEGABYTES} may be.`];
}

/** A sentence for each count of the sweeps that is wrong. */
export function faultsOf({ drifting, first, second, calls }: Omit<Figures, 'faults'>): string[] {
  const pages = PAGES.reduce((sum, name) => sum + (calls[name] ?? 0), 0);
  // Before an execution starts, the ledger gets the announcement that it will read.
  const allowed = pages + drifting + first.started;
  return [
    ...(first.apiCalls <= allowed
      ? []
      : [
          `The sweep made ${first.apiCalls} calls: more than ${pages} pages, one for each of ${drifting} that drift, and one more for each of ${first.started} starts.`,
        ]),
    ...(first.started >= LEAST_SHARE_STARTED * drifting
      ? []
      : [`Of ${drifting} that drift only ${first.started} were started.`]),
    ...(second.started === 0 ? [] : [`The second sweep started ${second.started} again.`]),
  ];
}
