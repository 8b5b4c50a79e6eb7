import * as z from 'zod';
import { METRICS } from '../lib/telemetry.ts';
import type { Fault, Path } from './template-source.ts';
import { ofType, resolved, type Template } from './template-values.ts';

/** A metric that an alarm or the dashboard reads. */
export interface MetricRead {
  readonly at: Path;
  readonly namespace: string;
  readonly name: string;
  /** The names of its dimensions: CloudWatch finds a metric only by all of them. */
  readonly dimensions: readonly string[];
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

/** The metrics of Muster's own, as far as anybody looks at them. */
export function ownMetricsRead(template: Template): MetricRead[] {
  return metricsRead(template).filter(({ namespace }) => namespace === OURS);
}

/** @returns one fault for each metric that nobody emits, and for each dashboard that is no JSON */
export function metricFaults(template: Template): Fault[] {
  const broken = ofType(template, 'AWS::CloudWatch::Dashboard').flatMap(([name, { Properties }]) => {
    if (bodyOf(Properties, template)) return [];
    const at = ['Resources', name, 'Properties', 'DashboardBody'];
    return [{ at, says: `${name} has a DashboardBody that is no JSON: correct it.` }];
  });
  const unknown = metricsRead(template).flatMap(({ at, namespace, name }) => {
    const known = namespace === OURS ? Object.keys(METRICS) : (THEIRS[namespace] ?? []);
    if (known.includes(name)) return [];
    const whose = namespace === OURS ? 'METRICS of lib/telemetry.ts' : 'THEIRS of scripts/template-metrics.ts';
    return [
      {
        at,
        says: `${at[1]} reads the metric ${name} of ${namespace}, which nobody emits: correct it, or add it to ${whose}.`,
      },
    ];
  });
  return [...broken, ...unknown];
}

function metricsRead(template: Template): MetricRead[] {
  return [
    ...ofType(template, 'AWS::CloudWatch::Alarm').flatMap(([name, { Properties }]) => ofAlarm(name, Properties)),
    ...ofType(template, 'AWS::CloudWatch::Dashboard').flatMap(([name, { Properties }]) => {
      const at = ['Resources', name, 'Properties', 'DashboardBody'];
      return (bodyOf(Properties, template)?.widgets ?? []).flatMap(({ properties: { metrics } }) =>
        metrics.flatMap((metric) => ofWidget(metric, at)),
      );
    }),
  ];
}

const Metric = z.looseObject({
  Namespace: z.string(),
  MetricName: z.string(),
  Dimensions: z.array(z.looseObject({ Name: z.string() })).default([]),
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

/**
 * `[namespace, name, dimension, value, …, options]`, or an expression that searches. `['...', value]` is the one before it, of
 * another value.
 */
function ofWidget(metric: readonly unknown[], at: Path): MetricRead[] {
  const [{ expression = '' } = {}] = metric.filter((part): part is { expression?: string } => typeof part === 'object');
  const [, schema, found] = /SEARCH\('\{([^}]+)\} MetricName="(\w+)"/.exec(expression) ?? [];
  if (schema && found) {
    const [namespace = '', ...dimensions] = schema.split(',');
    return [{ at, namespace, name: found, dimensions }];
  }
  const [namespace, name, ...rest] = metric.filter((part) => typeof part === 'string');
  if (!namespace || !name || namespace === '...') return [];
  return [{ at, namespace, name, dimensions: rest.filter((_, index) => index % 2 === 0) }];
}
