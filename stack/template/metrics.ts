import * as z from 'zod';
import { METRICS } from '../../lib/telemetry.ts';
import type { Fault, Path } from './source.ts';
import { ofType, resolved, type Template } from './values.ts';

/** A metric that an alarm or the dashboard reads. */
export interface MetricRead {
  readonly at: Path;
  readonly namespace: string;
  readonly name: string;
  /** The names of its dimensions: CloudWatch finds a metric only by all of them. */
  readonly dimensions: readonly string[];
  /** Of which stage: the value of that dimension. */
  readonly stage: string | undefined;
}

const OURS = 'Muster';

/** What we read of other namespaces. Source: the services' documents on their CloudWatch metrics. */
const THEIRS: Readonly<Record<string, readonly string[]>> = {
  'AWS/Events': ['TriggeredRules', 'Invocations', 'FailedInvocations'],
  'AWS/Lambda': ['Invocations', 'Errors', 'Throttles', 'Duration', 'ConcurrentExecutions'],
  'AWS/SQS': ['ApproximateNumberOfMessagesVisible', 'ApproximateAgeOfOldestMessage'],
  'AWS/States': [
    'ExecutionsStarted',
    'ExecutionsFailed',
    'ExecutionsTimedOut',
    'ExecutionsAborted',
    'ExecutionThrottled',
  ],
};

/** Muster's own metrics that the dashboard or an alarm reads. */
export function ownMetricsRead(template: Template): MetricRead[] {
  return metricsRead(template).filter(({ namespace }) => namespace === OURS);
}

/** @returns one fault for each metric that is never emitted, and for each dashboard that is no JSON */
export function metricFaults(template: Template): Fault[] {
  const broken = ofType(template, 'AWS::CloudWatch::Dashboard').flatMap(([name, { Properties }]) => {
    if (bodyOf(Properties, template)) return [];
    const at = ['Resources', name, 'Properties', 'DashboardBody'];
    return [{ at, says: `${name} has a DashboardBody that is no JSON: correct it.` }];
  });
  const unknown = metricsRead(template).flatMap(({ at, namespace, name }) => {
    const known = namespace === OURS ? Object.keys(METRICS) : (THEIRS[namespace] ?? []);
    if (known.includes(name)) return [];
    const whose = namespace === OURS ? 'METRICS of lib/telemetry.ts' : 'THEIRS of stack/template/metrics.ts';
    return [
      {
        at,
        says: `${at[1]} reads the metric ${name} of ${namespace}, which no function emits: correct it, or add it to ${whose}.`,
      },
    ];
  });
  return [...broken, ...unknown];
}

/**
 * Looks whether the metrics are those of the functions of this stack: two stages in an account are told apart by one
 * dimension.
 * @param written the resources as their files have them, before the framework has put the stage in
 */
export function stageFaults(template: Template, written: Template): Fault[] {
  const stages = ofType(template, 'AWS::Lambda::Function').flatMap(([, { Properties }]) => {
    return Environment.safeParse(resolved(Properties.Environment, template)).data?.Variables.STAGE ?? [];
  });
  const others = ownMetricsRead(template).filter(({ stage = '' }) => !stages.includes(stage));
  if (others.length > 0)
    return others.map(({ at, name, stage }) => {
      const of = stage === undefined ? 'no stage' : `the stage ${stage}`;
      const says = `${at[1]} reads ${name} of ${of}, and the functions tell it of ${stages[0]}: write ${STAGE} there.`;
      return { at, says };
    });
  const literal = ownMetricsRead(written).filter(({ stage = '' }) => ![STAGE, SUBSTITUTED].includes(stage));
  return literal.map(({ at, name, stage }) => {
    const says = `${at[1]} reads ${name} of the stage ${stage} by its name, which is right in that stage alone: write ${STAGE} there.`;
    return { at, says };
  });
}

/** The framework's variable. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is one
const STAGE = '${sls:stage}';
/** What becomes of it in an Fn::Sub, for it is nothing that CloudFormation knows. */
const SUBSTITUTED = '<sls:stage>';

const Environment = z.looseObject({ Variables: z.looseObject({ STAGE: z.string().optional() }) });

function metricsRead(template: Template): MetricRead[] {
  return [
    ...ofType(template, 'AWS::CloudWatch::Alarm').flatMap(([name, { Properties }]) => ofAlarm(name, Properties)),
    ...ofType(template, 'AWS::CloudWatch::Dashboard').flatMap(([name, { Properties }]) => {
      const at = ['Resources', name, 'Properties', 'DashboardBody'];
      return (bodyOf(Properties, template)?.widgets ?? []).flatMap(({ properties: { metrics } }) =>
        written(metrics).flatMap((metric) => ofWidget(metric, at)),
      );
    }),
  ];
}

const Metric = z.looseObject({
  Namespace: z.string(),
  MetricName: z.string(),
  Dimensions: z.array(z.looseObject({ Name: z.string(), Value: z.unknown() })).default([]),
});

const Alarm = z.looseObject({
  Metrics: z.array(z.looseObject({ MetricStat: z.looseObject({ Metric }).optional() })).default([]),
});

function ofAlarm(name: string, properties: unknown): MetricRead[] {
  const at = ['Resources', name, 'Properties'];
  const single = Metric.safeParse(properties).data;
  const several = Alarm.parse(properties).Metrics.flatMap(({ MetricStat }, index) =>
    MetricStat ? [{ ...MetricStat.Metric, at: [...at, 'Metrics', index] }] : [],
  );
  return [...(single ? [{ ...single, at: [...at, 'MetricName'] }] : []), ...several].map((metric) => ({
    at: metric.at,
    namespace: metric.Namespace,
    name: metric.MetricName,
    dimensions: metric.Dimensions.map(({ Name }) => Name),
    stage: metric.Dimensions.flatMap(({ Name, Value }) => (Name === 'stage' ? String(Value) : []))[0],
  }));
}

const Body = z.looseObject({
  widgets: z.array(
    z.looseObject({ properties: z.looseObject({ metrics: z.array(z.array(z.unknown())).default([]) }) }),
  ),
});

function bodyOf({ DashboardBody }: Record<string, unknown>, template: Template): z.infer<typeof Body> | undefined {
  try {
    return Body.parse(JSON.parse(String(resolved(DashboardBody, template))));
  } catch {
    return undefined;
  }
}

/** Rows in full: `'.'` stands for the field above, `'...'` for as many as are missing. Source: dashboard body structure. */
function written(rows: readonly (readonly unknown[])[]): unknown[][] {
  const full: unknown[][] = [];
  for (const row of rows) {
    const above = (full.at(-1) ?? []).filter((field) => typeof field === 'string');
    const [first, ...rest] = row;
    const own = rest.filter((field) => typeof field === 'string').length;
    const fields = first === '...' ? [...above.slice(0, above.length - own), ...rest] : row;
    full.push(fields.map((field, index) => (field === '.' ? above[index] : field)));
  }
  return full;
}

/** `[namespace, name, dimension, value, …, options]`, or an expression that searches. */
function ofWidget(metric: readonly unknown[], at: Path): MetricRead[] {
  const [{ expression = '' } = {}] = metric.filter((part): part is { expression?: string } => typeof part === 'object');
  const [, schema, found] = /SEARCH\('\{([^}]+)\} MetricName="(\w+)"/.exec(expression) ?? [];
  if (schema && found) {
    const [namespace = '', ...dimensions] = schema.split(',');
    return [{ at, namespace, name: found, dimensions, stage: /\bstage="([^"]*)"/.exec(expression)?.[1] }];
  }
  const [namespace, name, ...rest] = metric.filter((part) => typeof part === 'string');
  if (!namespace || !name) return [];
  const dimensions = rest.filter((_, index) => index % 2 === 0);
  const stage = dimensions.indexOf('stage');
  return [{ at, namespace, name, dimensions, stage: stage < 0 ? undefined : rest[stage * 2 + 1] }];
}
