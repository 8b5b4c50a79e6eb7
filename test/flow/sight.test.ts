// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the framework's variables
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { METRICS } from '../../lib/telemetry.ts';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { readService, type Service } from '../../resources/service.ts';
import { type MetricRead, ownMetricsRead } from '../../stack/template/metrics.ts';
import { Template } from '../../stack/template/values.ts';
import { type Played, playWorld, startByHand, untilEnded } from '../support/world.ts';

const DashboardBody = z.object({ DashboardBody: z.object({ 'Fn::Sub': z.string() }) });
const QueryDefinition = z.object({ QueryString: z.string(), LogGroupNames: z.array(z.object({ Ref: z.string() })) });

const MINUTE = 60_000;
const profiles = readProfiles('profiles.yml');

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The metrics that alarms and dashboard read, in the stage `dev`; `from` is replaced by `to` in their JSON. */
function metricsRead(from = '', to = ''): MetricRead[] {
  const resources = JSON.stringify(Object.fromEntries(resourcesOf(readService(root, 'dev'))));
  return ownMetricsRead(Template.parse({ Resources: JSON.parse(resources.replaceAll(from || '\0', to)) }));
}

function resourcesOf(service: Service) {
  return service.resources.flatMap(({ Resources }) => Object.entries(Resources));
}

/** A metric and its dimensions, as CloudWatch would tell it from others. */
const identityOf = (name: string, dimensions: readonly string[]) => `${name} by ${dimensions.toSorted().join(', ')}`;

interface Emf {
  readonly CloudWatchMetrics: readonly {
    readonly Namespace: string;
    readonly Dimensions: readonly (readonly string[])[];
    readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
  }[];
}

/** What CloudWatch would make of the lines that the functions wrote. */
function metricsEmitted(logs: Played['logs']): Set<string> {
  const directives = logs.flatMap(({ _aws }) => (_aws as Emf | undefined)?.CloudWatchMetrics ?? []);
  return new Set(
    directives.flatMap(({ Dimensions, Metrics }) =>
      Dimensions.flatMap((dimensions) => Metrics.map(({ Name }) => identityOf(Name, dimensions))),
    ),
  );
}

/** One that takes its time, one that shows nonsense, some that a server will never take, and the end of them all. */
async function playABadDay(): Promise<Played['logs']> {
  const strict = profiles.map((profile) => ({ ...profile, onFailure: 'abandon' as const, abandonLimit: 1 }));
  const world = await playWorld({ profiles: strict });
  world.opsWorksCm.maintenance('PuppetServer', 30 * 60);
  world.opsWorksCm.setStatus('ChefServer', 'FAILED');
  world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ThrottlingException', times: 3 }]);
  const [patient = ''] = world.autoScaling.launch('database', 1);
  world.autoScaling.launch('web', 2);
  await world.clock.advance(60 * MINUTE);
  startByHand(world, { instanceId: patient });
  const [liar = ''] = world.autoScaling.launch('database', 1);
  Object.assign(world.fleet.get(liar) ?? {}, { csr: () => 'nonsense' });
  await world.clock.advance(30 * MINUTE);
  world.autoScaling.terminate(patient, true);
  await world.clock.advance(30 * MINUTE);
  return world.logs;
}

/** A server that has failed before its nodes go. */
async function playAnEndInVain(): Promise<Played['logs']> {
  const world = await playWorld();
  world.autoScaling.launch('database', 1);
  await untilEnded(world, 1);
  world.opsWorksCm.setStatus('PuppetServer', 'FAILED');
  world.autoScaling.setDesiredCapacity('database', 0);
  await untilEnded(world, 2);
  return world.logs;
}

/** A launch that is held until its hook's limit, while no event can be sent. */
async function playAHeldLaunch(): Promise<Played['logs']> {
  const hooks = ESTATE.hooks.map((hook) => ({ ...hook, HeartbeatTimeout: 300 }));
  const world = await playWorld({ estate: { ...ESTATE, hooks }, scheduleSeconds: 120 });
  world.opsWorksCm.setStatus('ChefServer', 'FAILED');
  world.faults.set([{ service: 'events', operation: 'PutEvents', statusCode: 500 }]);
  world.autoScaling.launch('web', 1);
  await world.clock.advance(300 * 100 * 1000 - MINUTE);
  return world.logs;
}

/** A group that has our hook, and that the profiles have forgotten. */
async function playAForgottenGroup(): Promise<Played['logs']> {
  const world = await playWorld({ profiles: profiles.filter(({ name }) => name !== 'web') });
  world.autoScaling.launch('web', 1);
  await untilEnded(world, 1);
  return world.logs;
}

let logs: Played['logs'];
beforeAll(async () => {
  logs = [
    ...(await playABadDay()),
    ...(await playAnEndInVain()),
    ...(await playAForgottenGroup()),
    ...(await playAHeldLaunch()),
  ];
});

describe('what the alarms and the dashboard read', () => {
  const read = [...new Set(metricsRead().map(({ name, dimensions }) => identityOf(name, dimensions)))];

  it('is a good part of what there is', () => {
    expect(read.length).toBeGreaterThan(10);
  });

  it.each(read)('is emitted: %s', (metric) => {
    expect(metricsEmitted(logs)).toContain(metric);
  });

  it('is all that there is: nothing is counted that nobody looks at', () => {
    const names = new Set(metricsRead().map(({ name }) => name));
    expect(Object.keys(METRICS).filter((name) => !names.has(name))).toEqual([]);
  });

  it.each([
    ['a name that no function emits', '"MetricName":"PolicyRelaxed"', '"MetricName":"PolicyRelaxd"'],
    ['a dimension that no function emits', '"Name":"stage"', '"Name":"environment"'],
    ['a dimension too few', '{Muster,service,stage,state}', '{Muster,service,stage}'],
  ])('would be missed by %s', (_what, from, to) => {
    const broken = metricsRead(from, to).map(({ name, dimensions }) => identityOf(name, dimensions));
    expect(broken.filter((metric) => !metricsEmitted(logs).has(metric))).not.toEqual([]);
  });
});

describe('a metric', () => {
  it('is of its stage', () => {
    const stages = new Set(logs.filter((line) => '_aws' in line).map(({ stage }) => stage));
    expect([...stages]).toEqual(['dev']);
  });

  it('tells the seconds of the one that waits longest', () => {
    const waited = logs.flatMap(({ SecondsWaiting }) => (SecondsWaiting === undefined ? [] : [Number(SecondsWaiting)]));
    // Thirty minutes of maintenance, looked at every few minutes.
    expect(Math.max(...waited)).toBeGreaterThan(20 * 60);
    expect(Math.max(...waited)).toBeLessThan(31 * 60);
  });

  it('counts a launch that nobody asks for, and none of somebody else’s hook', async () => {
    const world = await playWorld();
    world.autoScaling.launch('analytics', 1);
    await world.clock.advance(10 * MINUTE);
    expect(world.logs.filter((line) => 'LaunchesUnmatched' in line)).toEqual([]);
    expect(logs.filter((line) => 'LaunchesUnmatched' in line)).toHaveLength(1);
  });
});

const service = readService(root);
const resources = resourcesOf(service);

/** Logical ids that the framework gives to what belongs to a function: `SweepLogGroup`. */
const ofFunctions = (suffix: string) =>
  Object.keys(service.functions).map((key) => `${key.slice(0, 1).toUpperCase()}${key.slice(1)}${suffix}`);

describe('the dashboard', () => {
  const [text] = resources
    .filter(([, { Type }]) => Type === 'AWS::CloudWatch::Dashboard')
    .map(([, { Properties }]) => DashboardBody.parse(Properties).DashboardBody['Fn::Sub']);
  const { widgets } = JSON.parse(text ?? '');
  const shownBy = (title: string) =>
    widgets
      .filter(({ properties }: { properties: { title: string } }) => properties.title.startsWith(title))
      .flatMap(({ properties }: { properties: { metrics: string[][] } }) => properties.metrics.flat())
      .flatMap((part: unknown) => /^\$\{(\w+)\}$/.exec(String(part))?.[1] ?? []);

  it.each(['Functions throttled', 'Functions failed'])('shows every function: %s', (title) => {
    expect(shownBy(title).toSorted()).toEqual(ofFunctions('LambdaFunction').toSorted());
  });

  it('shows every state machine, three times', () => {
    const names = resources.filter(([, { Type }]) => Type === 'AWS::StepFunctions::StateMachine').map(([name]) => name);
    expect(names).not.toEqual([]);
    expect(shownBy('State machines')).toEqual([...names, ...names, ...names]);
  });

  it('searches by whole values only: a search for a part of a name finds nothing', () => {
    const terms = [...(text ?? '').matchAll(/SEARCH\('\{[^}]+\} ([^']*)'/g)].flatMap(([, terms = '']) =>
      terms.split(' '),
    );
    expect(terms.length).toBeGreaterThan(0);
    for (const term of terms) expect(term).toMatch(/^(MetricName=\\"\w+\\"|stage=\\"\$\{sls:stage\}\\")$/);
  });
});

describe('the saved queries', () => {
  const queries = resources
    .filter(([, { Type }]) => Type === 'AWS::Logs::QueryDefinition')
    .map(([name, { Properties }]) => [name, QueryDefinition.parse(Properties)] as const);

  it('ask all functions', () => {
    expect(queries).not.toEqual([]);
    for (const [, { LogGroupNames }] of queries)
      expect(LogGroupNames.map(({ Ref }) => Ref).toSorted()).toEqual(ofFunctions('LogGroup').toSorted());
  });

  it.each(queries)('%s asks for messages and fields that the logs have', (_name, { QueryString: query }) => {
    const fields = new Set(logs.flatMap((line) => Object.keys(line)));
    const asked = [...query.matchAll(/\b(instance|state|message|error|reason|retryCount|execution|level)\b/g)];
    expect(asked.length).toBeGreaterThan(0);
    for (const [, field] of asked) expect(fields).toContain(field);
    for (const [, key = '', value] of query.matchAll(/filter (message|level) = "([^"]+)"/g))
      expect(logs.map((line) => line[key])).toContain(value);
  });
});
