import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { callsOfHandlers, nameOf, type Played, playWorld, untilEnded } from '../support/world.ts';

const README = readFileSync('README.md', 'utf8');

/** The rows of the README's table of costs: `| state transitions | 46 | 25.00 | 1.150 |`. */
const ROWS = [...README.matchAll(/^\| ([^|]+) \| ([\d.]+) \| \$([\d.]+) \| \$([\d.]+) \|$/gm)].map(
  ([, what = '', count, million, thousand]) => {
    return { what, count: Number(count), million: Number(million), thousand: Number(thousand) };
  },
);

/** As AWS counts them: states entered, and each retry. */
function transitions({ machines }: Played): number {
  const types = machines.executions().flatMap(({ events }) => events.map(({ type }) => type));
  const retries = types.filter((type) => type === 'LambdaFunctionScheduled').length;
  const tasks = types.filter((type) => type === 'TaskStateEntered').length;
  return types.filter((type) => type.endsWith('StateEntered')).length + retries - tasks;
}

describe('what the README says that an enrolment costs', () => {
  let measured: Record<string, number>;

  beforeAll(async () => {
    let invocations = 0;
    const world = await playWorld();
    world.lambda.interceptor = (_invocation, next) => {
      invocations += 1;
      return next();
    };
    world.autoScaling.launch('web', 1);
    await untilEnded(world, 1);
    const calls = callsOfHandlers(world);
    const made = (name: string) => calls.filter((call) => nameOf(call) === name).length;
    measured = {
      'state transitions': transitions(world),
      'Lambda invocations': invocations,
      'DynamoDB writes': made('dynamodb.UpdateItem') + made('dynamodb.PutItem') + made('dynamodb.DeleteItem'),
      'DynamoDB reads': made('dynamodb.GetItem'),
      'events sent': made('events.PutEvents'),
      'kilobytes of log': Math.ceil(world.logs.reduce((sum, line) => sum + JSON.stringify(line).length, 0) / 1000),
    };
  });

  it('is what the local world counts', () => {
    const said = Object.fromEntries(ROWS.map(({ what, count }) => [what, count]));
    expect(said).toMatchObject(measured);
  });

  it('grows by what it says while a server is away for an hour', async () => {
    const world = await playWorld();
    world.opsWorksCm.maintenance('ChefServer', 3600);
    world.autoScaling.launch('web', 1);
    await untilEnded(world, 1);
    const more = Math.round((transitions(world) - Number(measured['state transitions'])) / 10) * 10;
    expect(README).toContain(`about ${more} of them, $${((more * 25) / 1000).toFixed(2)} for 1,000 instances`);
  });

  it('is told with as many metrics as the alarms read', () => {
    const { Resources } = parse(readFileSync('resources/alarms.yml', 'utf8'), { merge: true });
    const alarms = Object.values(Resources as Record<string, { Properties: { Metrics?: { MetricStat?: object }[] } }>);
    const read = alarms.flatMap(({ Properties: { Metrics = [{ MetricStat: {} }] } }) => Metrics);
    expect(README).toContain(`the alarms read ${read.filter(({ MetricStat }) => MetricStat).length} metrics`);
  });

  it('is added up without a mistake', () => {
    expect(ROWS.length).toBeGreaterThan(Object.keys(measured).length);
    for (const { what, count, million, thousand } of ROWS)
      expect({ what, thousand }).toEqual({ what, thousand: Number(((count * million) / 1000).toFixed(3)) });
    const total = ROWS.reduce((sum, { thousand }) => sum + thousand, 0);
    expect(README).toContain(`**$${total.toFixed(2)}**`);
  });
});
