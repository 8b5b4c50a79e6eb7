import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';

const PEM = /-----BEGIN [^-]+-----[\s\S]*?(-----END [^-]+-----|$)/g;

/** Takes keys, CSRs and certificates out of a text: an error of a service may quote what it was sent. */
export function withoutPem(text: string): string {
  return text.replace(PEM, '[PEM removed]');
}

export const logger = new Logger({
  serviceName: 'muster',
  jsonReplacerFn: (_key, value) => (typeof value === 'string' ? withoutPem(value) : value),
});

const metrics = new Metrics({ namespace: 'Muster', serviceName: 'muster' });

/** Every metric that Muster emits, with its unit. */
export const METRICS = {
  EnrolmentsStarted: MetricUnit.Count,
  EnrolmentsSucceeded: MetricUnit.Count,
  EnrolmentsFailed: MetricUnit.Count,
  EnrolmentsIgnored: MetricUnit.Count,
  /** A profile's onFailure was not followed: the relaunch guard, or an error that is no verdict, turned it into hold. */
  PolicyRelaxed: MetricUnit.Count,
  /** With the dimension `rule`: refused for what the node, or whoever speaks for it, showed as its identity. */
  IdentitiesRejected: MetricUnit.Count,
  RetirementsSucceeded: MetricUnit.Count,
  RetirementsFailed: MetricUnit.Count,
  /** With the dimension `state`: attempts after a state's first. */
  Retries: MetricUnit.Count,
  /** From the launch to the end of the enrolment. */
  SecondsToManaged: MetricUnit.Seconds,
} as const;

/** Emits one value. Each goes out on its own and at once, because a process may serve several invocations at once. */
export function emit(metric: keyof typeof METRICS, value = 1, dimensions: Record<string, string> = {}): void {
  for (const [name, of] of Object.entries(dimensions)) metrics.addDimension(name, of);
  metrics.addMetric(metric, METRICS[metric], value);
  metrics.publishStoredMetrics();
}
