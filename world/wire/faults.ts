import * as z from 'zod';
import { ACCOUNT_ID } from '../kernel/account.ts';
import { loadModel } from './model.ts';
import { SERVICES } from './operations.ts';
import type { Protocol } from './protocol.ts';
import { ServiceError } from './service.ts';

/** The check of one fault: known service and operation, and no contradiction. */
export const Fault = z
  .strictObject({
    service: z.enum([...SERVICES, 'dynamodb', 's3']),
    /** Every operation of the service when left out. */
    operation: z.string().min(1).optional(),
    /** The service's own error name; any spelling of throttling becomes the service's own. */
    error: z.string().min(1).optional(),
    message: z.string().optional(),
    statusCode: z.int().min(400).max(599).optional(),
    /** Refuses as IAM does under an organization's policy, by the service's own error and sentence. */
    deniedBy: z.literal('service control policy').optional(),
    /** World time that passes before the call is looked at. */
    delaySeconds: z.number().positive().optional(),
    /** Closes the connection instead of answering. */
    drop: z.literal(true).optional(),
    /** Does the operation first, then fails: the answer is lost. */
    after: z.literal(true).optional(),
    /** How many calls it meets; all when left out. */
    times: z.int().min(1).optional(),
    /** How many calls it lets pass first: the pages that come before the one that it meets. */
    skip: z.int().min(1).optional(),
    /** Only calls whose input has these values (in a list: among others); null: that member is not sent. */
    match: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
  })
  .superRefine((fault, context) => {
    const refuse = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message });
    const fails = [fault.error, fault.statusCode, fault.deniedBy, fault.drop].some((given) => given !== undefined);
    if (!fails && fault.delaySeconds === undefined)
      refuse('error', 'Say what goes wrong: error, statusCode, deniedBy, drop or delaySeconds.');
    if (fault.after && !fails)
      refuse('after', 'An answer is lost only with error, statusCode, deniedBy or drop: add one, or remove after.');
    if (fault.drop && (fault.error ?? fault.statusCode) !== undefined)
      refuse('drop', 'A dropped call has no error or statusCode: remove them, or drop.');
    if (fault.deniedBy && (fault.error ?? fault.statusCode ?? fault.drop) !== undefined)
      refuse('deniedBy', 'A denied call has its own error: remove error, statusCode and drop, or deniedBy.');
    const known = operationsOf(fault.service);
    if (fault.operation !== undefined && known && !known.includes(fault.operation)) {
      refuse('operation', `${fault.service} has no operation ${fault.operation} here, only ${known.join(', ')}.`);
    }
  });

/** One way in which a service misbehaves: the body of `PUT /_local/faults` is a list of these. */
export type Fault = z.infer<typeof Fault>;

/** The faults in force. The first that matches a call applies. */
export class Faults {
  #faults: Fault[] = [];

  /**
   * Replaces all faults.
   * @throws ZodError when one is invalid; those in force stay
   */
  set(faults: unknown): void {
    this.#faults = z.array(Fault).parse(faults);
  }

  /** What is still in force; `times` counts what is left. */
  list(): readonly Fault[] {
    return this.#faults;
  }

  /** The fault that meets this call, used up by one. */
  take(service: Fault['service'], operation: string, input: unknown): Fault | undefined {
    const fault = this.#faults.find((candidate) => meets(candidate, service, operation, input) && !passes(candidate));
    if (fault?.times !== undefined) {
      fault.times--;
      if (fault.times === 0) this.#faults = this.#faults.filter((other) => other !== fault);
    }
    return fault;
  }
}

/** What `drop` stands for: no answer at all, and the connection closed. */
export const DROPPED = new ServiceError('ConnectionDropped', 'A fault closed the connection.');

/**
 * How a fault refuses a call of an operation; undefined when it only delays. `throttling` is the service's own way to say
 * that.
 */
export function refusalOf(
  fault: Fault,
  operation: string,
  throttling: Protocol['throttling'],
): ServiceError | undefined {
  if (fault.deniedBy) return denial(fault.service, operation, fault.deniedBy);
  if (fault.drop) return DROPPED;
  if (fault.error === undefined && fault.statusCode === undefined) return undefined;
  const isThrottling = /^(Throttling(Exception)?|RequestLimitExceeded)$/.test(fault.error ?? '');
  const code = isThrottling ? throttling.code : (fault.error ?? 'InternalFailure');
  const message = fault.message ?? (isThrottling ? 'Rate exceeded' : `A fault of the local world: ${code}.`);
  return new ServiceError(
    code,
    message,
    fault.statusCode ?? (isThrottling ? throttling.statusCode : usualStatus(code)),
  );
}

/** IAM's sentence for a denial that no policy of the account can lift. */
function denial(service: Fault['service'], operation: string, policy: string): ServiceError {
  const caller = `arn:aws:sts::${ACCOUNT_ID}:assumed-role/local/local`;
  const sentence = `User: ${caller} is not authorized to perform: ${service}:${operation} with an explicit deny in a ${policy}`;
  if (service === 'ec2')
    return new ServiceError(
      'UnauthorizedOperation',
      `You are not authorized to perform this operation. ${sentence}`,
      403,
    );
  if (service === 'autoscaling' || service === 's3') return new ServiceError('AccessDenied', sentence, 403);
  return new ServiceError('AccessDeniedException', sentence);
}

function usualStatus(code: string): number {
  if (/Unavailable/.test(code)) return 503;
  return /^(Internal|Service(Exception|Failure))/.test(code) ? 500 : 400;
}

function meets(fault: Fault, service: string, operation: string, input: unknown): boolean {
  if (fault.service !== service || (fault.operation ?? operation) !== operation) return false;
  return Object.entries(fault.match ?? {}).every(([member, wanted]) => {
    const sent = (input as Record<string, unknown>)[member] ?? null;
    return Array.isArray(sent) ? sent.includes(wanted) : sent === wanted;
  });
}

/** Whether the call is one of those that the fault lets pass: it counts them. */
function passes(fault: Fault): boolean {
  if (fault.skip === undefined) return false;
  if (fault.skip > 1) fault.skip--;
  else delete fault.skip;
  return true;
}

function operationsOf(service: Fault['service']): readonly string[] | undefined {
  return service === 'dynamodb' || service === 's3' ? undefined : Object.keys(loadModel(service).operations);
}
